using Kedge.Demo;
using Kedge.Node.ControlLink;
using Kedge.Node.Routing;
using Kedge.Protocol.Ip;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.SystemTests.Routing;

/// <summary>A machine between an overlay's interface and a network behind it, and a firewall that is not ours. The commands are tried.</summary>
public sealed class ForwardingTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _host;
    private readonly string _name;

    public ForwardingTests()
    {
        _host = _net.AddHost("host");
        _name = _net.NewInterfaceName();
        _host.Ip("tuntap", "add", "mode", "tun", "name", _name);
        _host.SetSetting("net.ipv4.ip_forward", "1");
        _host.SetSetting("net.ipv6.conf.all.forwarding", "1");
    }

    public void Dispose() => _net.Dispose();

    [Fact]
    public void A_machine_that_forwards_and_has_no_firewall_is_fine() => Assert.Empty(Check());

    [Fact]
    public void Forwarding_that_is_off_is_found_for_each_family()
    {
        _host.SetSetting("net.ipv4.ip_forward", "0");
        Assert.Contains("IPv4", Assert.Single(Check()).Problem, StringComparison.Ordinal);
        _host.SetSetting("net.ipv6.conf.all.forwarding", "0");
        Assert.Equal(2, Check().Count);
        Assert.Single(Forwarding.Check(_name, ipv4: false, ipv6: true, _host.Namespace));

        RunTheCommands();
        Assert.Empty(Check());
    }

    [Fact]
    public void Dockers_firewall_is_opened_where_Docker_leaves_room_for_it()
    {
        Nft(
            "add table ip filter",
            "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
            "add chain ip filter DOCKER-USER",
            "add chain ip filter DOCKER-FORWARD",
            "add rule ip filter FORWARD counter jump DOCKER-USER",
            "add rule ip filter FORWARD counter jump DOCKER-FORWARD",
            "add rule ip filter DOCKER-FORWARD ct state established,related counter accept",
            "add rule ip filter DOCKER-FORWARD iifname docker0 counter accept",
            "add rule ip filter DOCKER-USER counter return");

        ForwardingFinding finding = Assert.Single(Check());
        Assert.Contains("'ip filter FORWARD'", finding.Problem, StringComparison.Ordinal);
        Assert.Contains("DOCKER-USER", finding.Command, StringComparison.Ordinal);

        RunTheCommands();
        Assert.Empty(Check());
    }

    [Fact]
    public void Every_chain_that_drops_is_found_and_opened()
    {
        Nft(
            "add table inet guard",
            "add chain inet guard forward { type filter hook forward priority 5; policy accept; }",
            "add rule inet guard forward ct state established accept",
            "add rule inet guard forward reject with icmpx admin-prohibited",
            "add table ip6 more",
            "add chain ip6 more f { type filter hook forward priority 0; policy drop; }");

        Assert.Equal(2, Check().Count);
        Assert.Single(Forwarding.Check(_name, ipv4: true, ipv6: false, _host.Namespace));
        RunTheCommands();
        Assert.Empty(Check());
    }

    [Fact]
    public void A_firewall_of_iptables_legacy_is_found_and_opened_though_nftables_knows_nothing_of_it()
    {
        Legacy("iptables-legacy", "-P FORWARD DROP", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER", "-A DOCKER-USER -j RETURN");
        Legacy(
            "iptables-legacy",
            "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT", "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
        Assert.DoesNotContain("DOCKER", _host.Run("nft", "list", "ruleset").Output, StringComparison.Ordinal);

        ForwardingFinding finding = Assert.Single(Check());
        Assert.Contains("'FORWARD' of iptables-legacy", finding.Problem, StringComparison.Ordinal);
        Assert.Contains("iptables-legacy -I DOCKER-USER", finding.Command, StringComparison.Ordinal);
        RunTheCommands();
        Assert.Empty(Check());

        Legacy("ip6tables-legacy", "-A FORWARD -i lo -j ACCEPT", "-A FORWARD -j REJECT --reject-with icmp6-adm-prohibited");
        Assert.Contains("'FORWARD' of ip6tables-legacy", Assert.Single(Check()).Problem, StringComparison.Ordinal);
        Assert.Empty(Forwarding.Check(_name, ipv4: true, ipv6: false, _host.Namespace));
        RunTheCommands();
        Assert.Empty(Check());
    }

    [Fact]
    public void Looking_for_a_firewall_of_iptables_legacy_makes_none()
    {
        Assert.Empty(Check());

        Assert.Equal("", _host.Run("cat", "/proc/net/ip_tables_names", "/proc/net/ip6_tables_names").Output);
    }

    [Fact]
    public void A_policy_that_comes_later_is_a_problem_until_it_is_mended()
    {
        var problems = new Problems(NullLogger.Instance);
        var checks = new HostChecks(_name, problems);
        IpPrefix[] children = [IpPrefix.Parse("10.7.0.0/24")];
        checks.CheckForwarding(children, _host.Namespace);
        Assert.Empty(problems.Current);

        Legacy("iptables", "-P FORWARD DROP");
        checks.CheckForwarding([], _host.Namespace);
        Assert.Empty(problems.Current); // nobody is to be reached behind it
        checks.CheckForwarding(children, _host.Namespace);
        string problem = Assert.Single(problems.Current);
        Assert.Contains("cannot be reached by the others", problem, StringComparison.Ordinal);
        Assert.Contains($"iptables -I FORWARD -i {_name} -j ACCEPT", problem, StringComparison.Ordinal);

        RunTheCommands();
        checks.CheckForwarding(children, _host.Namespace);
        Assert.Empty(problems.Current);
    }

    private IReadOnlyList<ForwardingFinding> Check() => Forwarding.Check(_name, ipv4: true, ipv6: true, _host.Namespace);

    private void RunTheCommands()
    {
        foreach (ForwardingFinding finding in Check())
        {
            using RunningProcess shell = RunningProcess.Start(new Command("sh", "-c", finding.Command));
            CommandResult result = shell.WaitForExit(TimeSpan.FromSeconds(30));
            Assert.True(result.Succeeded, $"{finding.Command}: {result.Error}");
        }
    }

    private void Legacy(string program, params string[] rules)
    {
        foreach (string rule in rules)
            _host.Run([program, .. rule.Split(' ')]);
    }

    private void Nft(params string[] lines) => _host.Run(new Command("nft", "-f", "-") { Input = string.Join('\n', lines) + "\n" });
}
