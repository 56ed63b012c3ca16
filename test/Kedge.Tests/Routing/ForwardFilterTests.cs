using Kedge.Node.Routing;

namespace Kedge.Tests.Routing;

/// <summary>Rulesets as <c>nft -j list ruleset</c> 1.0.6 prints them.</summary>
public sealed class ForwardFilterTests
{
    private const string In = """{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"kedge0"}}""";
    private const string Out = """{"match":{"op":"==","left":{"meta":{"key":"oifname"}},"right":"kedge0"}}""";
    private const string Established = """{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","related"]}}""";
    private const string Accept = """{"accept":null}""";
    private const string Drop = """{"drop":null}""";

    [Theory]
    [InlineData("accept", false)]
    [InlineData("drop", true)]
    public void Without_rules_the_policy_counts(string policy, bool blocks) => Assert.Equal(blocks, Blocks(policy));

    [Fact]
    public void Both_directions_must_be_accepted()
    {
        Assert.True(Blocks("drop", $"[{In},{Accept}]"));
        Assert.True(Blocks("drop", $"[{Out},{Accept}]"));
        Assert.False(Blocks("drop", $"[{In},{Accept}]", $"[{Out},{Accept}]"));
    }

    [Fact]
    public void What_depends_on_more_than_the_interface_neither_opens_nor_closes()
    {
        Assert.True(Blocks("drop", $"[{Established},{Accept}]"));
        Assert.False(Blocks("accept", $"[{Established},{Drop}]"));
        Assert.True(Blocks("drop", $$$"""[{"xt":null},{{{Accept}}}]"""));
        Assert.True(Blocks("drop", $$$"""[{"limit":{"rate":5,"per":"second"}},{{{Accept}}}]"""));
        Assert.True(Blocks("drop", $$$"""[{{{In}}},{"match":{"op":"==","left":{"meta":{"key":"oifname"}},"right":"docker0"}},{{{Accept}}}]"""));
    }

    [Fact]
    public void The_first_verdict_counts_and_counters_are_none()
    {
        Assert.True(Blocks("accept", $$$"""[{"counter":{"packets":0,"bytes":0}},{{{Drop}}}]""", $"[{Accept}]"));
        Assert.False(Blocks("drop", $$$"""[{"counter":{"packets":0,"bytes":0}},{{{Accept}}}]""", $"[{Drop}]"));
        Assert.True(Blocks("accept", """[{"reject":{"type":"icmpx","expr":"admin-prohibited"}}]"""));
    }

    [Theory]
    [InlineData("""{"op":"!=","left":{"meta":{"key":"iifname"}},"right":"docker0"}""", true)]
    [InlineData("""{"op":"==","left":{"meta":{"key":"iifname"}},"right":"ked*"}""", true)]
    [InlineData("""{"op":"==","left":{"meta":{"key":"iifname"}},"right":"kex*"}""", false)]
    [InlineData("""{"op":"==","left":{"meta":{"key":"iifname"}},"right":{"set":["a","kedge0"]}}""", true)]
    [InlineData("""{"op":"==","left":{"meta":{"key":"iifname"}},"right":{"set":["a","b"]}}""", false)]
    [InlineData("""{"op":"!=","left":{"meta":{"key":"iifname"}},"right":"@some"}""", false)]
    [InlineData("""{"op":"==","left":{"meta":{"key":"iifname"}},"right":"@some"}""", false)]
    [InlineData("""{"op":"==","left":{"meta":{"key":"nfproto"}},"right":"ipv4"}""", true)]
    [InlineData("""{"op":"==","left":{"meta":{"key":"nfproto"}},"right":"ipv6"}""", false)]
    [InlineData("""{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"10.0.0.1"}""", false)]
    public void Matches_on_interfaces_are_understood(string match, bool matches) =>
        Assert.Equal(matches, Blocks("accept", $$$"""[{"match":{{{match}}}},{{{Drop}}}]"""));

    [Fact]
    public void Jumps_come_back_and_gotos_do_not()
    {
        Assert.False(BlocksWith("drop", """[{"jump":{"target":"other"}}]""", $"[{Accept}]"));
        Assert.False(BlocksWith("accept", """[{"jump":{"target":"other"}}]""", """[{"return":null}]"""));
        Assert.True(BlocksWith("drop", """[{"goto":{"target":"other"}}],[{"accept":null}]""", """[{"return":null}]"""));
        Assert.False(BlocksWith("drop", """[{"jump":{"target":"other"}}],[{"accept":null}]""", """[{"return":null}]"""));
        Assert.True(BlocksWith("drop", """[{"jump":{"target":"other"}}]""", """[{"jump":{"target":"other"}}]""")); // round and round
    }

    [Theory]
    [InlineData("ip", "filter", "FORWARD", true, "iptables -I FORWARD -i kedge0 -j ACCEPT && iptables -I FORWARD -o kedge0 -j ACCEPT")]
    [InlineData("ip6", "filter", "DOCKER-USER", true, "ip6tables -I DOCKER-USER -i kedge0 -j ACCEPT && ip6tables -I DOCKER-USER -o kedge0 -j ACCEPT")]
    [InlineData("ip", "filter", "x", false, "nft insert rule ip filter FORWARD iifname kedge0 accept && nft insert rule ip filter FORWARD oifname kedge0 accept")]
    [InlineData("inet", "firewalld", "x", true, "firewall-cmd --permanent --zone=trusted --add-interface=kedge0 && firewall-cmd --reload")]
    [InlineData("ip", "filter", "ufw-user-forward", true, "ufw route allow in on kedge0 && ufw route allow out on kedge0")]
    public void The_command_is_that_of_whoever_runs_the_chain(string family, string table, string sibling, bool hasIptables, string expected) =>
        Assert.Equal(expected, new BlockingChain(family, table, "FORWARD", ["FORWARD", sibling]).CommandToOpen("kedge0", hasIptables));

    private static bool Blocks(string policy, params string[] rules) => BlocksWith(policy, string.Join(',', rules), "[]");

    private static bool BlocksWith(string policy, string rules, string otherRules)
    {
        string json = $$$"""
            {"nftables":[{"metainfo":{"version":"1.0.6"}},{"table":{"family":"inet","name":"t"}},
            {"chain":{"family":"inet","table":"t","name":"f","type":"filter","hook":"forward","prio":0,"policy":"{{{policy}}}"}},
            {"chain":{"family":"inet","table":"t","name":"other"}}{{{Rules("f", rules)}}}{{{Rules("other", otherRules)}}}]}
            """;
        BlockingChain[] blocking = [.. new ForwardFilter(json).FindBlocking("kedge0", ipv4: true, ipv6: false)];
        Assert.All(blocking, chain => Assert.Equal("'inet t f'", chain.ToString()));
        return blocking.Length > 0;
    }

    private static string Rules(string chain, string rules) => string.Concat(
        from rule in System.Text.Json.JsonDocument.Parse($"[{rules}]").RootElement.EnumerateArray()
        where rule.GetArrayLength() > 0
        select $$$""",{"rule":{"family":"inet","table":"t","chain":"{{{chain}}}","expr":{{{rule.GetRawText()}}}}}""");
}
