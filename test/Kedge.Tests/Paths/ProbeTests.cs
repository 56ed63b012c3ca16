using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Paths;

public sealed class ProbeTests : IDisposable
{
    private readonly PathWorld _world = new();
    private readonly PathNode _a;
    private readonly PathNode _b;
    private readonly ProbeKeys _keysOfA;
    private readonly ProbeKeys _keysOfB;

    public ProbeTests()
    {
        (_a, _b) = (_world.AddNode("a", "203.0.113.1:7000"), _world.AddNode("b", "203.0.113.2:7000"));
        PathWorld.Connect(_a, _b);
        (_keysOfA, _keysOfB) = (ProbeKeys.Derive(_a.Device, _a.TunnelTo(_b))!, ProbeKeys.Derive(_b.Device, _b.TunnelTo(_a))!);
    }

    public void Dispose()
    {
        _keysOfA.Dispose();
        _keysOfB.Dispose();
        _world.Dispose();
    }

    [Theory]
    [InlineData("192.0.2.1:7")]
    [InlineData("[2001:db8::7]:65535")]
    public void What_one_end_writes_the_other_reads(string endpoint)
    {
        var sent = new Probe(IsPong: true, 0x0123456789ABCDEF, 1420, Endpoint.Parse(endpoint));
        byte[] datagram = new byte[Probe.Size];
        sent.Write(_keysOfA, _world.Fill, datagram);

        Assert.Equal(84, Probe.Size);
        Assert.Equal(DatagramKind.Probe, Datagram.Classify(datagram));
        Assert.Equal(_keysOfB.ReceiveLocator, Probe.LocatorOf(datagram));
        Assert.True(Probe.TryRead(_keysOfB, datagram, out Probe read));
        Assert.Equal(sent, read);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Whether_the_sender_takes_fragments_is_told(bool takesFragments)
    {
        byte[] datagram = new byte[Probe.Size];
        new Probe(IsPong: true, 1, Probe.Size, default) { TakesFragments = takesFragments }.Write(_keysOfA, _world.Fill, datagram);
        Assert.True(Probe.TryRead(_keysOfB, datagram, out Probe read));
        Assert.Equal(takesFragments, read.TakesFragments);
    }

    [Fact]
    public void A_probe_is_not_taken_by_the_end_that_sent_it_nor_when_a_bit_is_another()
    {
        byte[] datagram = new byte[Probe.Size];
        new Probe(IsPong: false, 1, Probe.Size, default).Write(_keysOfA, _world.Fill, datagram);

        Assert.False(Probe.TryRead(_keysOfA, datagram, out _));
        for (int bit = 0; bit < 8 * datagram.Length; bit++)
        {
            byte[] changed = [.. datagram];
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(Probe.TryRead(_keysOfB, changed, out _), $"bit {bit}");
        }
    }

    [Fact]
    public void Directions_and_peers_have_keys_of_their_own()
    {
        PathNode c = _world.AddNode("c", "203.0.113.3:7000");
        PathWorld.Connect(_a, c);
        using ProbeKeys others = ProbeKeys.Derive(_a.Device, _a.TunnelTo(c))!;

        Assert.Equal(4, new HashSet<ulong>([_keysOfA.SendLocator, _keysOfA.ReceiveLocator, others.SendLocator, others.ReceiveLocator]).Count);
    }
}
