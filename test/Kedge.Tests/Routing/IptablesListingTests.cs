using Kedge.Node.Routing;

namespace Kedge.Tests.Routing;

/// <summary>Filter tables as <c>iptables-legacy -S</c> 1.8.9 prints them.</summary>
public sealed class IptablesListingTests
{
    // Docker 20.10 on Debian 10.
    private const string Docker =
        """
        -P INPUT ACCEPT
        -P FORWARD DROP
        -P OUTPUT ACCEPT
        -N DOCKER
        -N DOCKER-ISOLATION-STAGE-1
        -N DOCKER-ISOLATION-STAGE-2
        -N DOCKER-USER
        -A FORWARD -j DOCKER-USER
        -A FORWARD -j DOCKER-ISOLATION-STAGE-1
        -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
        -A FORWARD -o docker0 -j DOCKER
        -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
        -A FORWARD -i docker0 -o docker0 -j ACCEPT
        -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
        -A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
        -A DOCKER-ISOLATION-STAGE-1 -j RETURN
        -A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
        -A DOCKER-ISOLATION-STAGE-2 -j RETURN

        """;

    [Fact]
    public void Dockers_policy_is_found_and_its_own_chain_for_others_opens_it()
    {
        BlockingChain chain = Assert.Single(FindBlocking(Docker + "-A DOCKER-USER -j RETURN\n"));

        const string Program = "iptables-legacy";
        BlockingChain legacy = chain with { LegacyProgram = Program };
        Assert.Equal("'FORWARD' of iptables-legacy", legacy.ToString());
        Assert.Equal(
            $"{Program} -I DOCKER-USER -i kedge0 -j ACCEPT && {Program} -I DOCKER-USER -o kedge0 -j ACCEPT",
            legacy.CommandToOpen("kedge0", hasIptables: true));
        const string Opened = "-A DOCKER-USER -o kedge0 -j ACCEPT\n-A DOCKER-USER -i kedge0 -j ACCEPT\n-A DOCKER-USER -j RETURN\n";
        Assert.Empty(FindBlocking(Docker + Opened));
    }

    [Theory]
    [InlineData("-A FORWARD -j DROP", true)]
    [InlineData("-A FORWARD -j REJECT --reject-with icmp-host-prohibited", true)]
    [InlineData("-A FORWARD -i kedge+ -j DROP", true)]
    [InlineData("-A FORWARD -i kedge1 -j DROP", false)]
    [InlineData("-A FORWARD ! -i eth0 -j DROP", true)]
    [InlineData("-A FORWARD ! -i kedge0 -j DROP", false)]
    [InlineData("-A FORWARD -i kedge0 -o eth0 -j DROP", false)]
    [InlineData("""-A FORWARD -i kedge0 -m comment --comment "no \"way\" -j ACCEPT" -j DROP""", true)]
    [InlineData("-A FORWARD -i kedge0 -m comment --comment no -j DROP", true)]
    [InlineData("-A FORWARD -s 10.0.0.0/8 -j DROP", false)]
    [InlineData("-A FORWARD ! -s 10.0.0.0/8 -i kedge0 -j DROP", false)]
    [InlineData("-A FORWARD -m conntrack --ctstate INVALID -j DROP", false)]
    [InlineData("-A FORWARD -p tcp -m tcp --dport 22 -j REJECT --reject-with tcp-reset", false)]
    [InlineData("""-A FORWARD -j LOG --log-prefix "dropped: " --log-level 4""", false)]
    [InlineData("-A FORWARD -i kedge0", false)]
    [InlineData("-A FORWARD -j NFQUEUE --queue-num 1", false)]
    [InlineData("-A INPUT -j DROP", false)]
    [InlineData("-A other -j DROP", false)]
    [InlineData("-A FORWARD -j other\n-A other -j DROP", true)]
    [InlineData("-A FORWARD -j other\n-A other -j RETURN", false)]
    [InlineData("-A FORWARD -g other\n-A FORWARD -j DROP\n-A other -j RETURN", false)]
    [InlineData("-A FORWARD -i kedge0 -j ACCEPT\n-A FORWARD -o kedge0 -j ACCEPT\n-A FORWARD -j DROP", false)]
    [InlineData("", false)]
    [InlineData("# nothing that is known\n-A\n-A FORWARD -j\n-A FORWARD -i\n-A FORWARD !\n-A FORWARD \"", false)]
    public void Rules_are_judged_by_what_they_say_of_the_interface_alone(string rules, bool blocks) =>
        Assert.Equal(blocks, FindBlocking($"-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-N other\n{rules}\n").Count > 0);

    [Fact]
    public void Each_family_is_asked_for_its_own()
    {
        Assert.Empty(ForwardFilter.OfIptables("-P FORWARD DROP\n", "ip6").FindBlocking("kedge0", ipv4: true, ipv6: false));
        Assert.Single(ForwardFilter.OfIptables("-P FORWARD DROP\n", "ip6").FindBlocking("kedge0", ipv4: false, ipv6: true));
    }

    [Theory]
    [InlineData("FORWARD_direct", "firewall-cmd --permanent --zone=trusted --add-interface=kedge0 && firewall-cmd --reload")]
    [InlineData("ufw-user-forward", "ufw route allow in on kedge0 && ufw route allow out on kedge0")]
    [InlineData("other", "ip6tables -I FORWARD -i kedge0 -j ACCEPT && ip6tables -I FORWARD -o kedge0 -j ACCEPT")]
    public void The_command_is_that_of_whoever_runs_the_table(string sibling, string expected) => Assert.Equal(
        expected,
        new BlockingChain("ip6", "filter", "FORWARD", ["FORWARD", sibling]) { LegacyProgram = "ip6tables" }
            .CommandToOpen("kedge0", hasIptables: false));

    private static List<BlockingChain> FindBlocking(string listing) =>
        [.. ForwardFilter.OfIptables(listing, "ip").FindBlocking("kedge0", ipv4: true, ipv6: false)];
}
