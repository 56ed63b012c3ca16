using Kedge.Protocol.Ip;
using Kedge.Protocol.Warp;
using Kedge.Warp.Connecting;

namespace Kedge.Tests.Warp;

public class TargetRuleTests
{
    [Theory]
    [InlineData("10.0.0.0/8", "10.1.2.3:80", "10.1.2.3", true)]
    [InlineData("10.0.0.0/8", "11.1.2.3:80", "11.1.2.3", false)]
    [InlineData("192.0.2.1:22", "192.0.2.1:22", "192.0.2.1", true)]
    [InlineData("192.0.2.1:22", "192.0.2.1:23", "192.0.2.1", false)]
    [InlineData("192.0.2.0/24:22", "host.example:22", "192.0.2.9", true)]
    [InlineData("db.internal", "DB.internal:5432", "10.0.0.1", true)]
    [InlineData("db.internal:5432", "db.internal:5433", "10.0.0.1", false)]
    [InlineData("db.internal", "other.internal:5432", "10.0.0.1", false)]
    [InlineData("[2001:db8::1]:22", "[2001:db8::1]:22", "2001:db8::1", true)]
    [InlineData("2001:db8::/32", "[2001:db8::1]:22", "2001:db8::1", true)]
    public void A_rule_allows_what_it_names(string rule, string target, string address, bool isAllowed)
    {
        Assert.True(TargetRule.TryParse(rule, out TargetRule? parsed));
        Assert.True(WarpTarget.TryParse(target, out WarpTarget? to));

        Assert.Equal(isAllowed, new TargetRules([parsed]).Allow(to, IpAddress.Parse(address)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("10.0.0.0/33")]
    [InlineData("host:0")]
    [InlineData("ho st")]
    [InlineData("[::1]:x")]
    public void What_is_no_rule_is_refused(string text) => Assert.False(TargetRule.TryParse(text, out _));

    [Fact]
    public void Unless_told_otherwise_only_this_machine_is_allowed_also_by_a_name_that_leads_there()
    {
        Assert.True(WarpTarget.TryParse("anything.example:80", out WarpTarget? target));

        Assert.True(TargetRules.Loopback.Allow(target, IpAddress.Parse("127.0.0.1")));
        Assert.True(TargetRules.Loopback.Allow(target, IpAddress.Parse("::1")));
        Assert.False(TargetRules.Loopback.Allow(target, IpAddress.Parse("10.0.0.1")));
        Assert.True(TargetRules.Everything.Allow(target, IpAddress.Parse("10.0.0.1")));
    }
}
