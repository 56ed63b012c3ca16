using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.PortMapping;

namespace Kedge.Fuzz.PortMapping;

/// <summary>
/// Datagrams of a gateway to a client that asks for a mapping, with time going on in between: whatever it says, the client sends little, and
/// tells only endpoints that others can reach.
/// </summary>
public sealed class PortMappingTarget : Target
{
    private static readonly Kedge.Protocol.PortMapping.PortMappingTarget Mapping = new(IpAddress.Parse("192.168.1.1"), IpAddress.Parse("192.168.1.7"), 51820);
    private static readonly byte[] Secret = new byte[32];

    public override string Name => "port-mapping";

    public override int MaximumLength => 400;

    public override int ShortRun => 20_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        [2, 0x81, 0, 0], [2, 0x81, 0, 1], [0, 0x80, 0, 0], [0, 0x81, 0, 0], [0, 0x81, 0, 1], [0xCA, 0x6C], [0, 0, 2, 0x58], [0xFF, 0xFF, 0xFF, 0xFF], [203, 0, 113, 9],
    ];

    /// <summary>The input is a row of datagrams, each behind a byte for its length and one for the seconds that pass before it.</summary>
    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var client = new PortMappingClient(Secret, bytes => bytes.Clear());
        var now = new Instant(0);
        byte[] request = new byte[PortMappingClient.MaximumRequest], nonce = new byte[12];
        client.Use(now, Mapping);
        while (input.Length >= 2)
        {
            int length = Math.Min((int)input[0], input.Length - 2);
            now += TimeSpan.FromSeconds(input[1]);
            byte[] datagram = input.Slice(2, length).ToArray();
            input = input[(2 + length)..];
            for (int sent = 0; client.Poll(now, request) is > 0 and int bytes; sent++)
            {
                Invariant.Holds(sent < 4, "few requests are due at once");
                if (bytes == request.Length)
                    request.AsSpan(24, 12).CopyTo(nonce);
            }
            if (length >= 36 && datagram[0] == 2)
                nonce.CopyTo(datagram, 24); // which no mutation would find
            bool taken = client.Receive(now, datagram, Mapping.Server);
            trace.Note(1, taken ? (int)client.Error : -1);
            Invariant.Holds(client.External.IsNone || (client.External.Port != 0 && client.External.Address.IsIPv4), "an external endpoint is whole");
            Invariant.Holds(client.External.IsNone || client.Error == PortMappingError.None, "what is mapped has no error");
        }
    }
}
