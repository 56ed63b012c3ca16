using System.Buffers.Binary;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;

namespace Kedge.Fuzz.Relays;

/// <summary>
/// What comes on a stream, whole or in pieces: a frame is what its length says, what is read is what is written, and a piece is never taken for
/// more than what it begins.
/// </summary>
public sealed class StreamFrameTarget : Target
{
    public override string Name => "stream-frame";

    public override int MaximumLength => 2 * StreamFrame.MaximumSize;

    public override int ShortRun => 5_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } = [[0, 0], [0, 8], [0, 9], [6, 0x48], [6, 0x49], [0xFF, 0xFF]];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        while (true)
        {
            StreamFrameKind kind = StreamFrame.Read(input, out ulong peer, out ReadOnlySpan<byte> datagram, out int size);
            trace.Note(1, (int)kind);
            int length = input.Length < 2 ? -1 : BinaryPrimitives.ReadUInt16BigEndian(input);
            StreamFrameKind expected = length < 0 ? StreamFrameKind.Incomplete
                : length == 0 ? StreamFrameKind.Keepalive
                : length is < 9 or > 1608 ? StreamFrameKind.Invalid
                : input.Length < 2 + length ? StreamFrameKind.Incomplete
                : StreamFrameKind.Datagram;
            Invariant.Equal(expected, kind, "a frame is what its length says");
            if (kind is StreamFrameKind.Incomplete or StreamFrameKind.Invalid)
            {
                Invariant.Equal(0, size, "what is no frame has no size");
                return;
            }
            Invariant.Equal(2 + length, size, "a frame is as long as it says");
            if (kind == StreamFrameKind.Datagram)
            {
                byte[] written = new byte[StreamFrame.HeaderSize + datagram.Length];
                StreamFrame.WriteHeader(written, peer, datagram.Length);
                datagram.CopyTo(written.AsSpan(StreamFrame.HeaderSize));
                Invariant.Holds(written.AsSpan().SequenceEqual(input[..size]), "what is read is what is written");
                Endpoint endpoint = StreamAddress.Of(peer);
                Invariant.Holds(StreamAddress.IsStream(endpoint.Address) && StreamAddress.IdOf(endpoint.Address) == peer, "an endpoint stands for its peer");
                StreamFrameKind piece = StreamFrame.Read(input[..(size - 1)], out _, out _, out _);
                Invariant.Equal(StreamFrameKind.Incomplete, piece, "a piece of a frame is waited for");
            }
            input = input[size..];
        }
    }
}
