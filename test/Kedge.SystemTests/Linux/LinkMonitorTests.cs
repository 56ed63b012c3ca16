using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Netlink;
using Kedge.Linux.Tun;

namespace Kedge.SystemTests.Linux;

public class LinkMonitorTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _host;
    private readonly TunDevice _tun;
    private readonly LinkMonitor _monitor;

    public LinkMonitorTests()
    {
        _host = _net.AddHost("a");
        string name = _net.NewInterfaceName();
        (_tun, _monitor) = _host.Namespace.Run(() =>
        {
            var tun = TunDevice.Create(name);
            return (tun, new LinkMonitor(InterfaceName.ToIndex(name)));
        });
    }

    public void Dispose()
    {
        _monitor.Dispose();
        _tun.Dispose();
        _net.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void The_first_state_is_the_one_of_now()
    {
        Assert.Equal(new LinkState(Up: false, Mtu: 1420), Next());
        Assert.False(_monitor.TryRead(out _));
    }

    [Fact]
    public void Changes_of_flag_and_mtu_are_told_once_each()
    {
        Next();
        _host.Ip("link", "set", _tun.Name, "up");
        Assert.Equal(new LinkState(Up: true, Mtu: 1420), Next());
        _host.Ip("link", "set", _tun.Name, "mtu", "1280");
        Assert.Equal(new LinkState(Up: true, Mtu: 1280), Next());
        _host.Ip("link", "set", _tun.Name, "txqueuelen", "100");
        _host.Ip("link", "set", "lo", "mtu", "1500");
        Assert.False(_monitor.TryRead(out _));
        _host.Ip("link", "set", _tun.Name, "down");
        Assert.Equal(new LinkState(Up: false, Mtu: 1280), Next());
        Assert.False(_monitor.TryRead(out _));
    }

    [Fact]
    public void States_in_between_are_told_in_order()
    {
        Next();
        foreach (string flag in new[] { "up", "down", "up" })
            _host.Ip("link", "set", _tun.Name, flag);

        Assert.Equal([true, false, true], new[] { Next().Up, Next().Up, Next().Up });
    }

    [Fact]
    public void Another_name_changes_nothing()
    {
        Next();
        _host.Ip("link", "set", _tun.Name, "name", "other");
        Assert.False(_monitor.TryRead(out _));
        _host.Ip("link", "set", "other", "up");
        Assert.True(Next().Up);
    }

    [Fact]
    public void Deletion_is_told_last()
    {
        _host.Ip("link", "set", _tun.Name, "up");
        Next();
        _host.Ip("link", "delete", _tun.Name);

        LinkState state = Next();
        while (_monitor.TryRead(out LinkState later))
            state = later;

        Assert.Equal(new LinkState(Up: false, Mtu: 1420, Deleted: true), state);
    }

    [Fact]
    public void A_move_to_another_namespace_is_no_deletion()
    {
        Host other = _net.AddHost("b");
        _host.Ip("link", "set", _tun.Name, "up");
        Next();
        _host.Ip("link", "set", _tun.Name, "netns", other.Namespace.Name);

        LinkState state = Next();
        while (_monitor.TryRead(out LinkState later))
            state = later;

        Assert.True(state.Moved);
        Assert.False(state.Deleted);
        Assert.Equal(1420, state.Mtu);
    }

    [Fact]
    public void An_interface_that_has_left_is_not_taken_for_one_that_gets_its_index()
    {
        Host other = _net.AddHost("b");
        Next();
        string index = IndexOf(_host, _tun.Name);
        _host.Ip("link", "set", _tun.Name, "netns", other.Namespace.Name);
        Assert.True(Latest(_monitor).Moved);

        AddStranger(index);
        _host.Ip("link", "delete", "stranger");

        Assert.False(_monitor.TryRead(out _));
    }

    [Fact]
    public void A_stranger_under_the_index_is_not_believed_where_the_move_was_lost_among_other_changes()
    {
        Host other = _net.AddHost("b");
        using LinkMonitor monitor = _host.Namespace.Run(() => new LinkMonitor(InterfaceName.ToIndex(_tun.Name), _tun));
        LinkState before = Latest(monitor);
        string index = IndexOf(_host, _tun.Name);
        string changes = string.Concat(Enumerable.Range(0, 400).Select(i => $"link set lo mtu {1300 + i}\n"));
        _host.Run(new Command("ip", "-batch", "-") { Input = changes });
        _host.Ip("link", "set", _tun.Name, "netns", other.Namespace.Name);
        AddStranger(index);

        Assert.False(monitor.TryRead(out _));
        _host.Ip("link", "delete", "stranger");
        other.Ip("link", "set", _tun.Name, "mtu", "1290");
        Assert.Equal(before with { Mtu = 1290 }, Latest(monitor));
    }

    [Fact]
    public void An_interface_that_this_process_is_attached_to_is_followed_from_namespace_to_namespace()
    {
        using LinkMonitor monitor = _host.Namespace.Run(() => new LinkMonitor(InterfaceName.ToIndex(_tun.Name), _tun));
        using var waiter = new Waiter(monitor);
        LinkState before = Latest(monitor);
        Host from = _host;
        int mtu = 1300;
        foreach (Host to in (Host[])[_net.AddHost("b"), _net.AddHost("c"), _host])
        {
            // There somebody has the index already, so that it gets another one; and here somebody gets the one that it had.
            string index = IndexOf(from, _tun.Name);
            if (to != _host)
                to.Ip("link", "add", "other", "index", index, "type", "ifb");
            from.Ip("link", "set", _tun.Name, "netns", to.Namespace.Name);
            while (monitor.TryRead(out LinkState state))
                Assert.False(state.Moved || state.Deleted);
            from.Ip("link", "add", "stranger", "index", index, "mtu", "1500", "type", "ifb");
            from.Ip("link", "delete", "stranger");
            Assert.False(monitor.TryRead(out _));

            to.Ip("link", "set", _tun.Name, "mtu", $"{++mtu}", "up");
            Assert.Equal(WaitEvents.LinkChanged, waiter.Wait(BootClock.Now + Receiver.Patience));
            Assert.Equal(before with { Up = true, Mtu = mtu }, Latest(monitor));
            from = to;
        }
        _host.Ip("link", "delete", _tun.Name);
        Assert.True(Latest(monitor).Deleted);
    }

    [Fact]
    public void An_interface_that_is_not_there_is_told_as_deleted()
    {
        using LinkMonitor monitor = _host.Namespace.Run(() => new LinkMonitor(12345));

        Assert.True(monitor.TryRead(out LinkState state));
        Assert.True(state.Deleted);
    }

    [Fact]
    public void After_more_changes_than_the_kernel_keeps_the_state_of_now_is_told()
    {
        Next();
        string changes = string.Concat(Enumerable.Range(0, 400).Select(i => $"link set {_tun.Name} mtu {1300 + i}\n"));
        _host.Run(new Command("ip", "-batch", "-") { Input = changes });

        List<int> mtus = [];
        while (_monitor.TryRead(out LinkState state))
            mtus.Add(state.Mtu);

        Assert.InRange(mtus.Count, 2, 399); // Otherwise nothing was lost, and this test shows nothing.
        Assert.Equal(1699, mtus[^1]);
    }

    [Fact]
    public void A_waiter_is_told_of_changes()
    {
        Next();
        using var waiter = new Waiter(_monitor);
        Assert.Equal(WaitEvents.DeadlinePassed, waiter.Wait(BootClock.Now));

        _host.Ip("link", "set", _tun.Name, "up");

        Assert.Equal(WaitEvents.LinkChanged, waiter.Wait(BootClock.Now + Receiver.Patience));
        while (_monitor.TryRead(out _))
        {
        }
        Assert.Equal(WaitEvents.DeadlinePassed, waiter.Wait(BootClock.Now + TimeSpan.FromMilliseconds(1)));
    }

    private static string IndexOf(Host host, string name) =>
        host.Namespace.Run(() => InterfaceName.ToIndex(name)).ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static LinkState Latest(LinkMonitor monitor)
    {
        Assert.True(monitor.TryRead(out LinkState latest));
        while (monitor.TryRead(out LinkState later))
            latest = later;
        return latest;
    }

    private void AddStranger(string index) => _host.Ip("link", "add", "stranger", "index", index, "mtu", "1300", "type", "ifb");

    private LinkState Next()
    {
        Assert.True(_monitor.TryRead(out LinkState state));
        return state;
    }
}
