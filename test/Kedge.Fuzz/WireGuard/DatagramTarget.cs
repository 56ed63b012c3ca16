using System.Buffers.Binary;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard;

/// <summary>
/// What a datagram is: at most one of the protocols may claim it, and the answer is that one. Each input is tried as it is and at every
/// length around those that mean something.
/// </summary>
public sealed class DatagramTarget : Target
{
    private static readonly int[] Lengths =
        [0, 1, 4, 19, 20, 24, 31, 32, 33, 39, 40, 41, 63, 64, 65, 91, 92, 93, 104, 105, 120, 121, 147, 148, 149, 1199, 1200, 1201, 65535];

    public override string Name => "datagram";

    public override int MaximumLength => 200;

    public override int ShortRun => 20_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        [1, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 0], [4, 0, 0, 0],
        [0xF5, 0, 0, 0], [0xF6, 0, 0, 0], [0xF7, 0, 0, 0],
        [0xF1, 1, 0, 0], [0xF2, 1, 0, 0], [0xF3, 1, 0, 0], [0xF4, 0, 0, 0], [0xF8, 0, 0, 0], [0xF9, 0, 0, 0],
        [0x81], [0x86], [0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xA4, 0x42], [0x01, 0x01, 0x00, 0x0C],
    ];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        Check(input, trace);
        byte[] resized = new byte[65535];
        input.CopyTo(resized);
        foreach (int length in Lengths)
            Check(resized.AsSpan(0, length), trace);
    }

    private static void Check(ReadOnlySpan<byte> datagram, Trace trace)
    {
        DatagramKind kind = Datagram.Classify(datagram);
        trace.Note((int)kind);
        DatagramKind expected = DatagramKind.Unknown;
        foreach (DatagramKind candidate in Enum.GetValues<DatagramKind>())
        {
            if (!IsClaimedBy(candidate, datagram))
                continue;
            Invariant.Equal(DatagramKind.Unknown, expected, "no two protocols claim one datagram");
            expected = candidate;
        }
        Invariant.Equal(expected, kind, "a datagram is what its protocol says");
    }

    private static bool IsClaimedBy(DatagramKind kind, ReadOnlySpan<byte> datagram) => kind switch
    {
        DatagramKind.HandshakeInitiation => datagram.Length == 148 && datagram.StartsWith<byte>([1, 0, 0, 0]),
        DatagramKind.HandshakeResponse => datagram.Length == 92 && datagram.StartsWith<byte>([2, 0, 0, 0]),
        DatagramKind.CookieReply => datagram.Length == 64 && datagram.StartsWith<byte>([3, 0, 0, 0]),
        DatagramKind.TransportData => datagram.Length >= 32 && datagram.StartsWith<byte>([4, 0, 0, 0]),
        DatagramKind.Probe => datagram.Length >= 84 && (datagram.StartsWith<byte>([0xF5, 0, 0, 0]) || datagram.StartsWith<byte>([0xF6, 0, 0, 0])),
        DatagramKind.Relay => datagram.Length >= 40 && datagram.StartsWith<byte>([0xF7, 0, 0, 0]),
        DatagramKind.Knock => IsKnock(datagram),
        DatagramKind.Rosenpass => datagram.Length >= 20 && datagram[0] >= 0x81 && datagram[0] <= 0x86,
        DatagramKind.Stun => datagram.Length >= 20
            && datagram[0] >> 6 == 0
            && datagram[4..8].SequenceEqual<byte>([0x21, 0x12, 0xA4, 0x42])
            && datagram.Length % 4 == 0
            && BinaryPrimitives.ReadUInt16BigEndian(datagram[2..]) + 20 == datagram.Length,
        _ => false,
    };

    private static bool IsKnock(ReadOnlySpan<byte> datagram) => datagram.Length is >= 40 and <= 1200
        && datagram[2] == 0
        && datagram[3] == 0
        && (datagram[0], datagram[1], datagram.Length) is
            (0xF1, 1, 1200) or (0xF2, 1, >= 121) or (0xF3, 1, >= 105) or (0xF4, 0, 64) or (0xF8, 0, _) or (0xF9, 0, 40);
}
