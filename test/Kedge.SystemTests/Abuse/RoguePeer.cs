using System.Buffers.Binary;
using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.SystemTests.Device;
using Kedge.SystemTests.Linux;

namespace Kedge.SystemTests.Abuse;

/// <summary>
/// A peer that a device knows and that means harm: it has a session, and sends in it what it likes, as fast as the kernel takes it. On
/// disposal it is no peer any more.
/// </summary>
internal sealed class RoguePeer : IDisposable
{
    /// <summary>The only address that the device allows it.</summary>
    public const string Address = "10.77.0.99";

    /// <summary>Bytes of the longest packet that a datagram over IPv4 can carry.</summary>
    public const int LongestPacket = (LongestDatagram - TransportData.Overhead) & -TransportData.PaddingMultiple;

    private const int LongestDatagram = 65507, LongestUnfragmented = 1472, LongestRun = 64;
    private const int FragmentPayload = 1280;

    private readonly DeviceProcess _target;
    private readonly WireGuardDevice _wireGuard = new(Timing.Default, RandomNumberGenerator.Fill, () => { });
    private readonly PeerTunnel _tunnel;
    private readonly UdpPort _port;
    private readonly PacketBuffer[] _runs = PacketBuffer.Allocate(64);
    private readonly AeadPacket[] _packets = new AeadPacket[LongestRun];
    private readonly Endpoint _remote;
    private int _filled;

    /// <summary>Becomes a peer of a device, and shakes hands.</summary>
    /// <param name="host">Where the peer is.</param>
    /// <param name="target">The device.</param>
    /// <param name="remote">Where the device is.</param>
    public RoguePeer(Host host, DeviceProcess target, Endpoint remote)
    {
        (_target, _remote) = (target, remote);
        var identity = new LocalIdentity(RandomNumberGenerator.GetBytes(32));
        PublicKey = identity.PublicKey.ToString();
        _wireGuard.SetIdentity(identity, new TimestampSource(default, _ => { }));
        _tunnel = _wireGuard.AddPeer(Protocol.WireGuard.PublicKey.Parse(target.Keys.PublicKey));
        _tunnel.Path = new PeerPath(remote, default);
        _port = host.Namespace.Run(() =>
        {
            var port = new UdpPort(withOffloads: true);
            port.Open(0);
            return port;
        });
        target.Set("peer", PublicKey, "allowed-ips", $"{Address}/32");
        _tunnel.RequestHandshake();
        Wait.Until(HasShakenHands, TwoHosts.Patience, "a handshake of the rogue peer");
    }

    /// <summary>Its public key in base64.</summary>
    public string PublicKey { get; }

    /// <summary>Bytes of all datagrams that it has sent once, handshakes included.</summary>
    public long SentBytes => _tunnel.SentBytes;

    /// <summary>Seals packets and sends them.</summary>
    /// <param name="packets">What is to be inside, IP or not, at most <see cref="LongestPacket"/> bytes each; empty for a keepalive.</param>
    /// <returns>How many datagrams the kernel took.</returns>
    public int Send(IEnumerable<byte[]> packets)
    {
        int sent = 0, count = 0, size = 0;
        foreach (byte[] packet in packets)
        {
            int needed = TransportData.PaddedLength(packet.Length, ushort.MaxValue) + TransportData.Overhead;
            if (count > 0 && (needed != size || size > LongestUnfragmented || count == LongestRun || (count + 1) * size > LongestDatagram))
                SendRun();
            size = needed;
            int start = count * size + TransportData.HeaderSize;
            byte[] array = _runs[_filled].Array;
            packet.CopyTo(array, start);
            _packets[count++] = new AeadPacket
            {
                Source = array, SourceOffset = start, Destination = array, DestinationOffset = start, Length = packet.Length,
            };
        }
        if (count > 0)
            SendRun();
        return sent;

        void SendRun()
        {
            Assert.True(_tunnel.TrySeal(BootClock.Now, _packets.AsSpan(0, count), ushort.MaxValue), "The rogue peer has no session.");
            PacketBuffer run = _runs[_filled];
            run.Reset();
            (run.Offset, run.Length, run.Destination) = (0, count * size, _remote);
            run.GsoSize = (ushort)(count > 1 ? size : 0);
            sent += _port.Send(_runs.AsSpan(_filled, 1));
            (_filled, count) = ((_filled + 1) % _runs.Length, 0);
        }
    }

    /// <summary>Sends some thousands of packets, and then the same datagrams again and again.</summary>
    /// <param name="count">How many copies.</param>
    /// <param name="sentOnce">Called between the two.</param>
    /// <returns>How many copies the kernel took: about <paramref name="count"/>.</returns>
    public int SendReplays(int count, Action? sentOnce = null)
    {
        Send(Enumerable.Repeat(Packet(1300), _runs.Length * (LongestDatagram / 1344)));
        sentOnce?.Invoke();
        int sent = 0;
        for (int round = 0; sent < count && round < count; round++)
            sent += _port.Send(_runs);
        return sent;
    }

    /// <summary>Sends fragments of packets that have no end: the last one never comes.</summary>
    public void SendFragments(int count)
    {
        byte[] packet = Packet(20 + FragmentPayload);
        Send(Enumerable.Range(0, count).Select(i => Fragment(packet, number: i / 40, position: i % 40)));
    }

    /// <summary>
    /// Sends the shortest and the longest packets: a quarter each keepalives, of one byte, a header alone, and less than a header; and
    /// some thousands that are as long as can be.
    /// </summary>
    public void SendExtremes(int count)
    {
        byte[] header = Packet(20), longest = Packet(LongestPacket);
        foreach (byte[] packet in (byte[][])[[], [0x45], header, header[..19]])
            Send(Enumerable.Repeat(packet, count / 4));
        Send(Enumerable.Repeat(longest, 2000));
    }

    public void Dispose()
    {
        if (!_target.Process.HasExited)
            _target.Set("peer", PublicKey, "remove");
        _port.Dispose();
        _wireGuard.Dispose();
    }

    private bool HasShakenHands()
    {
        PacketBuffer buffer = _runs[0];
        while (_tunnel.Poll(BootClock.Now, DateTimeOffset.UtcNow, buffer.Array) is { Kind: OutcomeKind.ToNetwork } outcome)
        {
            buffer.Reset();
            (buffer.Offset, buffer.Length, buffer.Destination) = (0, outcome.Length, _remote);
            _port.Send(_runs.AsSpan(0, 1));
        }
        int received = _port.Receive(_runs);
        foreach (PacketBuffer message in _runs.AsSpan(0, received))
        {
            if (Datagram.Classify(message.Packet) != DatagramKind.TransportData)
                _wireGuard.ReceiveHandshake(BootClock.Now, message.Packet, message.Source, message.Destination, false, new byte[HandshakeResponse.Size]);
        }
        return _tunnel.LastHandshake is not null;
    }

    /// <summary>An IPv4 packet from this peer, UDP to a port that nobody has, or a header alone.</summary>
    private static byte[] Packet(int length)
    {
        Endpoint from = new(IpAddress.Parse(Address), 1), to = new(IpAddress.Parse("10.77.0.1"), 9);
        byte[] packet = Batch.IpPacket(Batch.Udp, from, to, Math.Max(0, length - 28)).Packet.ToArray();
        if (length >= 28)
            return packet;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)length);
        return WithHeaderChecksum(packet[..length]);
    }

    /// <summary>Makes of a packet one of many fragments that have no end: the last one never comes.</summary>
    private static byte[] Fragment(byte[] packet, int number, int position)
    {
        const int MoreFragments = 0x2000;
        byte[] fragment = [.. packet];
        BinaryPrimitives.WriteUInt16BigEndian(fragment.AsSpan(4), (ushort)number);
        BinaryPrimitives.WriteUInt16BigEndian(fragment.AsSpan(6), (ushort)(MoreFragments | position * FragmentPayload / 8));
        return WithHeaderChecksum(fragment);
    }

    private static byte[] WithHeaderChecksum(byte[] packet)
    {
        packet.AsSpan(10, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), InternetChecksum.Compute(packet.AsSpan(0, 20)));
        return packet;
    }
}
