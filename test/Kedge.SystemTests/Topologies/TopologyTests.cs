using Kedge.Demo;

namespace Kedge.SystemTests.Topologies;

public class TopologyTests
{
    [Fact]
    public void Two_linked_hosts_reach_each_other_over_both_families()
    {
        using var net = Topology.Create();
        Host a = net.AddHost("a"), b = net.AddHost("b");
        net.Connect(a, b, ["10.1.0.1/24", "fd01::1/64"], ["10.1.0.2/24", "fd01::2/64"]);

        Assert.True(Ping.Run(a, "10.1.0.2").AllReceived);
        Assert.True(Ping.Run(b, "fd01::1").AllReceived);
    }

    [Fact]
    public void A_router_joins_two_links()
    {
        using var net = Topology.Create();
        Host a = net.AddHost("a"), router = net.AddHost("router"), b = net.AddHost("b");
        net.Connect(a, router, ["10.1.0.2/24"], ["10.1.0.1/24"]);
        net.Connect(b, router, ["10.2.0.2/24"], ["10.2.0.1/24"]);
        router.EnableForwarding();
        a.AddRoute("default", "10.1.0.1");
        b.AddRoute("default", "10.2.0.1");

        Assert.True(Ping.Run(a, "10.2.0.2").AllReceived);
        Assert.Equal(["eth0", "eth1"], router.Interfaces);
    }

    [Fact]
    public void Hosts_on_one_switch_reach_each_other()
    {
        using var net = Topology.Create();
        Host a = net.AddHost("a"), b = net.AddHost("b"), c = net.AddHost("c");
        Switch middle = net.AddSwitch("middle");
        middle.Attach(a, ["10.1.0.1/24", "fd01::1/64"]);
        middle.Attach(b, ["10.1.0.2/24", "fd01::2/64"]);
        middle.Attach(c, ["10.1.0.3/24", "fd01::3/64"]);

        Assert.True(Ping.Run(a, "10.1.0.2").AllReceived);
        Assert.True(Ping.Run(c, "10.1.0.2").AllReceived);
        Assert.True(Ping.Run(c, "fd01::1").AllReceived);
    }

    [Theory]
    [InlineData(1280)]
    [InlineData(9000)]
    public void A_link_carries_packets_as_long_as_its_mtu_and_no_longer(int mtu)
    {
        using var net = Topology.Create();
        Host a = net.AddHost("a"), b = net.AddHost("b");
        net.Connect(a, b, ["10.1.0.1/24"], ["10.1.0.2/24"], mtu);

        Assert.True(Ping.Run(a, "10.1.0.2", count: 1, payloadBytes: mtu - 28, mayFragment: false).AllReceived);
        Assert.False(Ping.Run(a, "10.1.0.2", count: 1, payloadBytes: mtu - 27, mayFragment: false).AllReceived);
    }

    [Fact]
    public void A_program_that_fails_is_reported_with_its_whole_command_line_and_its_words()
    {
        using var net = Topology.Create();
        Host a = net.AddHost("a");

        var failure = Assert.Throws<CommandException>(() => a.Run("sh", "-c", "echo said; echo wailed >&2; exit 3"));

        Assert.Contains("sh -c 'echo said; echo wailed >&2; exit 3'", failure.Message, StringComparison.Ordinal);
        Assert.Contains("exit code 3", failure.Message, StringComparison.Ordinal);
        Assert.Contains("said", failure.Message, StringComparison.Ordinal);
        Assert.Contains("wailed", failure.Message, StringComparison.Ordinal);
        Assert.Equal(3, a.TryRun("sh", "-c", "exit 3").ExitCode);
    }

    [Fact]
    public void A_program_that_hangs_is_killed_and_reported()
    {
        using var net = Topology.Create();
        Host a = net.AddHost("a");

        var command = new Command("sleep", "1000") { Timeout = TimeSpan.FromMilliseconds(100) };

        var failure = Assert.Throws<CommandException>(() => a.Run(command));

        Assert.Contains("sleep 1000", failure.Message, StringComparison.Ordinal);
        Assert.Empty(a.Namespace.ProcessIds());
    }

    [Fact]
    public void What_a_program_leaves_in_the_background_does_not_hold_up_its_caller()
    {
        using var net = Topology.Create();
        Host a = net.AddHost("a");

        Assert.Equal("said\n", a.Run(new Command("sh", "-c", "echo said; sleep 1000 &") { Timeout = TimeSpan.FromSeconds(10) }).Output);
        Assert.Single(a.Namespace.ProcessIds());
    }

    [Fact]
    public void A_program_is_given_its_input_and_environment()
    {
        using var net = Topology.Create();
        Host a = net.AddHost("a");
        var command = new Command("sh", "-c", "cat; echo $KEDGE_TEST")
        {
            Input = "from the input\n",
            Environment = new Dictionary<string, string> { ["KEDGE_TEST"] = "from the environment" },
        };

        Assert.Equal("from the input\nfrom the environment\n", a.Run(command).Output);
    }

    [Fact]
    public void Names_of_interfaces_are_short_enough_for_the_kernel_and_never_repeat()
    {
        using Topology one = Topology.Create(), other = Topology.Create();

        string[] names = [.. Enumerable.Range(0, 1000).Select(index => (index % 2 == 0 ? one : other).NewInterfaceName())];

        Assert.All(names, name => Assert.InRange(name.Length, 1, 15));
        Assert.Equal(names.Length, names.Distinct().Count());
    }

    [Fact]
    public void A_secret_is_readable_by_its_owner_alone()
    {
        using var net = Topology.Create();

        string path = net.WriteSecret("key", "content");

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal("content", File.ReadAllText(path));
    }
}
