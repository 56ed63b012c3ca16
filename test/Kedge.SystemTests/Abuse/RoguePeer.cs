using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.SystemTests.Device;

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

    /// <summary>Sends the last datagrams, some thousands, once more.</summary>
    /// <returns>How many the kernel took.</returns>
    public int SendAgain()
    {
        foreach (PacketBuffer run in _runs)
            run.Source = default;
        return _port.Send(_runs);
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
}
