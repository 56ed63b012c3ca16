using System.Buffers.Binary;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

public sealed class OutboundRouterTests : IDisposable
{
    private const ushort OwnPort = 51820, PeerPort = 4000;

    private readonly Pair _pair = new();
    private readonly PeerTunnel _peer;
    private readonly OutboundRouter _router;

    public OutboundRouterTests()
    {
        WireGuardDevice device = _pair.A.Device;
        device.ListenPort = OwnPort;
        _peer = _pair.A.AddPeer(_pair.B);
        foreach (string prefix in (string[])["192.0.2.0/24", "2001:db8::/32"])
            device.AllowedIps.Insert(IpPrefix.Parse(prefix), _peer);
        _router = new OutboundRouter(device);
    }

    public void Dispose() => _pair.Dispose();

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.2")]
    [InlineData("2001:db8::1", "2001:db8::2")]
    public void Our_own_datagram_to_the_peer_goes_nowhere_and_every_other_packet_passes(string from, string endpoint)
    {
        _peer.Path = new PeerPath(new Endpoint(IpAddress.Parse(endpoint), PeerPort), default);
        Assert.Equal(DropReason.RoutingLoop, Route(Datagram(from, endpoint, OwnPort, PeerPort)));
        Assert.Equal(DropReason.None, Route(Datagram(from, endpoint, OwnPort, PeerPort + 1)));
        Assert.Equal(DropReason.None, Route(Datagram(from, endpoint, OwnPort + 1, PeerPort)));
        byte[] tcp = Datagram(from, endpoint, OwnPort, PeerPort);
        tcp[from.Contains(':') ? 6 : 9] = 6;
        Assert.Equal(DropReason.None, Route(tcp));
        string elsewhere = endpoint[..^1] + "7";
        Assert.Equal(DropReason.None, Route(Datagram(from, elsewhere, OwnPort, PeerPort)));
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.2")]
    [InlineData("2001:db8::1", "2001:db8::2")]
    public void All_fragments_of_our_own_datagram_go_nowhere_and_those_of_others_pass(string from, string endpoint)
    {
        _peer.Path = new PeerPath(new Endpoint(IpAddress.Parse(endpoint), PeerPort), default);
        Assert.Equal(DropReason.RoutingLoop, Route(Fragment(from, endpoint, OwnPort, identification: 7, offset: 0)));
        Assert.Equal(DropReason.RoutingLoop, Route(Fragment(from, endpoint, OwnPort, identification: 7, offset: 100)));
        Assert.Equal(DropReason.RoutingLoop, Route(Fragment(from, endpoint, OwnPort, identification: 7, offset: 200)));
        Assert.Equal(DropReason.None, Route(Fragment(from, endpoint, OwnPort, identification: 8, offset: 100)));
        Assert.Equal(DropReason.None, Route(Fragment(from, endpoint, OwnPort + 1, identification: 7, offset: 0)));
        Assert.Equal(DropReason.None, Route(Fragment(from, endpoint, OwnPort + 1, identification: 7, offset: 100)));
    }

    [Fact]
    public void What_has_no_peer_or_no_endpoint_is_answered()
    {
        _peer.Path = null;
        Assert.Equal(DropReason.NoEndpoint, Route(Datagram("192.0.2.1", "192.0.2.2", 1, 1)));
        Assert.Equal(DropReason.NoRoute, Route(Datagram("192.0.2.1", "198.51.100.1", 1, 1)));
        Assert.True(OutboundRouter.IsAnswered(DropReason.NoEndpoint) && OutboundRouter.IsAnswered(DropReason.NoRoute));
        Assert.False(OutboundRouter.IsAnswered(DropReason.RoutingLoop));
    }

    private static byte[] Datagram(string from, string to, int sourcePort, int destinationPort)
    {
        byte[] packet = TestPacket.Make(IpAddress.Parse(from), IpAddress.Parse(to));
        Span<byte> udp = packet.AsSpan(from.Contains(':') ? 40 : 20);
        BinaryPrimitives.WriteUInt16BigEndian(udp, (ushort)sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(udp[2..], (ushort)destinationPort);
        return packet;
    }

    /// <param name="from">The source.</param>
    /// <param name="to">The destination.</param>
    /// <param name="sourcePort">The source port, of a first fragment.</param>
    /// <param name="identification">What the fragments of one datagram have in common.</param>
    /// <param name="offset">In units of 8 bytes.</param>
    private static byte[] Fragment(string from, string to, int sourcePort, ushort identification, int offset)
    {
        byte[] packet = Datagram(from, to, sourcePort, PeerPort);
        if (!from.Contains(':'))
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), identification);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), (ushort)(0x2000 | offset));
            return packet;
        }
        packet.AsSpan(40, 4).CopyTo(packet.AsSpan(48));
        packet.AsSpan(40, 8).Clear();
        (packet[6], packet[40]) = (44, 17);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(42), (ushort)(offset << 3 | 1));
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(44), identification);
        return packet;
    }

    private DropReason Route(byte[] bytes)
    {
        Assert.True(IpPacket.TryParse(bytes, out IpPacket packet));
        Assert.Equal(_router.TryRoute(packet, out _, out _, out _, out DropReason reason), reason == DropReason.None);
        return reason;
    }
}
