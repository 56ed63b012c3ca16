using System.Globalization;
using System.Text.RegularExpressions;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Tun;

namespace Kedge.SystemTests.Linux;

public class TunSegmentLimitTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _host;

    public TunSegmentLimitTests() => _host = _net.AddHost("a");

    public void Dispose()
    {
        _net.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(68, 128)]
    [InlineData(1280, 49)]
    [InlineData(1420, 45)]
    [InlineData(9000, 7)]
    [InlineData(65475, 1)]
    [InlineData(65535, 1)]
    public void Segments_are_limited_to_what_one_message_of_udp_takes(int mtu, int segments)
    {
        using TunDevice tun = Create(mtu);

        Assert.Equal(segments, tun.MaximumSegments);
        Assert.Equal(segments, GsoMaxSegments(tun.Name));
    }

    [Fact]
    public void The_limit_follows_the_mtu_from_a_thread_of_another_namespace()
    {
        using TunDevice tun = Create();
        _host.Ip("link", "set", tun.Name, "mtu", "9000");

        tun.RecordMtu(9000);

        Assert.Equal((7, 7), (tun.MaximumSegments, GsoMaxSegments(tun.Name)));
    }

    [Fact]
    public void The_limit_of_an_interface_that_was_moved_away_is_unknown_once_it_should_change()
    {
        Host other = _net.AddHost("b");
        using TunDevice tun = Create();
        // It keeps its index there, so a stranger here may have the same.
        _host.Ip("link", "set", tun.Name, "netns", other.Namespace.Name);

        tun.RecordMtu(TunDevice.DefaultMtu);
        Assert.Equal(45, tun.MaximumSegments);
        uint index = other.Namespace.Run(() => InterfaceName.ToIndex(tun.Name));
        _host.Ip("link", "add", "stranger", "index", index.ToString(CultureInfo.InvariantCulture), "type", "ifb");
        int before = GsoMaxSegments("stranger");
        tun.RecordMtu(9000);

        Assert.Equal((9000, 65535), (tun.Mtu, tun.MaximumSegments));
        Assert.Equal(before, GsoMaxSegments("stranger"));
    }

    private int GsoMaxSegments(string name)
    {
        string text = _host.Ip("-details", "link", "show", "dev", name).Output;
        return int.Parse(Regex.Match(text, "gso_max_segs ([0-9]+)").Groups[1].Value, CultureInfo.InvariantCulture);
    }

    private TunDevice Create(int mtu = TunDevice.DefaultMtu) =>
        _host.Namespace.Run(() => TunDevice.Create(_net.NewInterfaceName(), mtu, isPersistent: false, withOffloads: true));
}
