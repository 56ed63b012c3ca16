using System.Buffers.Binary;
using System.Globalization;
using Kedge.Demo;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;
using Kedge.SystemTests.Abuse;
using Kedge.SystemTests.Linux;

namespace Kedge.SystemTests.Interop;

/// <summary>
/// A packet that was damaged before it came into the tunnel comes out of it with the same damage, in the middle of others that are joined,
/// and the host at the end notices: no offload makes its checksum right.
/// </summary>
public sealed class CorruptionTests
{
    private const int Packets = 10, Damaged = 4, Payload = 1000;
    private const byte Tcp = 6;

    [Theory]
    [InlineData(Batch.Udp)]
    [InlineData(Tcp)]
    public void A_wrong_checksum_inside_stays_wrong(byte protocol)
    {
        using var tunnel = Tunnel.Start(other: Implementation.Kedge);
        tunnel.Handshake();
        using UdpPort port = tunnel.Other.Host.Namespace.Run(() =>
        {
            var opened = new UdpPort(withOffloads: true);
            opened.Open(0);
            return opened;
        });
        using var receiver = new Receiver(port);
        using var raw = new RawInterface(tunnel.Kedge.Host, tunnel.Kedge.Device.Name);
        using Capture inside = Capture.Start(
            tunnel.Other.Host, tunnel.Other.Device.Name, $"src {tunnel.Kedge.Address} and ip proto {protocol}");
        byte[][] packets = [.. Enumerable.Range(0, Packets).Select(i => Packet(protocol, tunnel, port.Port, i))];
        packets[Damaged][^1] ^= 0x10;
        long errors = ChecksumErrors(tunnel.Other, protocol);

        // The receiving device stands still meanwhile, so that it gets them all at once.
        tunnel.Other.Device.Process.Signal(ProcessSignal.Stop);
        long sent = tunnel.Kedge.Peer.SentBytes;
        foreach (byte[] packet in packets)
            raw.Send(packet);
        Wait.Until(() => tunnel.Kedge.Peer.SentBytes - sent > Packets * Payload, Timeouts.Soon, "all packets to be sent");
        tunnel.Other.Device.Process.Signal(ProcessSignal.Continue);

        Wait.Until(() => ChecksumErrors(tunnel.Other, protocol) > errors, Timeouts.Soon, "a wrong checksum to be noticed");
        inside.WaitUntil(seen => seen.Sum(packet => Payloads(packet.Bytes)) >= Packets, Timeouts.Soon, $"{Packets} packets");
        Assert.Equal(errors + 1, ChecksumErrors(tunnel.Other, protocol));
        // It stands alone, in its place, and nothing of it has changed; of those before it and behind it some were joined.
        int at = inside.Packets.ToList().FindIndex(packet => packet.Bytes.AsSpan().SequenceEqual(packets[Damaged]));
        Assert.NotEqual(-1, at);
        Assert.Equal(Damaged, inside.Packets.Take(at).Sum(packet => Payloads(packet.Bytes)));
        Assert.Equal(Packets - Damaged - 1, inside.Packets.Skip(at + 1).Sum(packet => Payloads(packet.Bytes)));
        Assert.Contains(inside.Packets, packet => Payloads(packet.Bytes) > 1);
        if (protocol == Batch.Udp)
        {
            Wait.Until(() => Numbers().Length >= Packets - 1, Timeouts.Soon, "the others at the socket");
            Assert.Equal(Enumerable.Range(0, Packets).Where(number => number != Damaged), Numbers());
        }

        int[] Numbers() => [.. receiver.All.SelectMany(one => one.Datagrams()).Select(datagram => BitConverter.ToInt32(datagram))];
    }

    private static int Payloads(byte[] packet) => packet.Length / Payload;

    /// <summary>A packet that can be joined with the one before it and the one behind it.</summary>
    private static byte[] Packet(byte protocol, Tunnel tunnel, int port, int number)
    {
        var from = new Endpoint(IpAddress.Parse(tunnel.Kedge.Address), 7000);
        var to = new Endpoint(IpAddress.Parse(tunnel.Other.Address), (ushort)port);
        int header = protocol == Tcp ? 12 : 0; // beyond that of UDP
        byte[] packet = Batch.IpPacket(Batch.Udp, from, to, header + Payload).Packet.ToArray();
        Span<byte> transport = packet.AsSpan(20);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)(1 + number));
        packet[9] = protocol;
        BitConverter.TryWriteBytes(packet.AsSpan(packet.Length - Payload), number);
        if (protocol == Tcp)
        {
            const int Ack = 0x10, WordsOfHeader = 5;
            BinaryPrimitives.WriteUInt32BigEndian(transport[4..], (uint)(1 + number * Payload));
            (transport[12], transport[13]) = (WordsOfHeader << 4, Ack);
            BinaryPrimitives.WriteUInt16BigEndian(transport[14..], 1000);
        }
        int checksum = protocol == Tcp ? 16 : 6;
        transport.Slice(checksum, 2).Clear();
        uint pseudoHeader = InternetChecksum.Sum(packet.AsSpan(12, 8), (uint)(protocol + transport.Length));
        BinaryPrimitives.WriteUInt16BigEndian(transport[checksum..], (ushort)~InternetChecksum.Sum(transport, pseudoHeader));
        packet.AsSpan(10, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), InternetChecksum.Compute(packet.AsSpan(0, 20)));
        Assert.True(Batch.HasRightChecksum(packet));
        return packet;
    }

    /// <summary>How many packets of a protocol a host has thrown away for their checksum: a column of <c>/proc/net/snmp</c>.</summary>
    private static long ChecksumErrors(TunnelEnd end, byte protocol)
    {
        string start = protocol == Tcp ? "Tcp: " : "Udp: ";
        string[][] lines = [.. end.Host.Namespace.Run(() => File.ReadAllLines("/proc/thread-self/net/snmp"))
            .Where(line => line.StartsWith(start, StringComparison.Ordinal)).Select(line => line.Split(' '))];
        return long.Parse(lines[1][Array.IndexOf(lines[0], "InCsumErrors")], CultureInfo.InvariantCulture);
    }
}
