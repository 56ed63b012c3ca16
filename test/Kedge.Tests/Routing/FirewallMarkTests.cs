using Kedge.Node.Routing;

namespace Kedge.Tests.Routing;

public class FirewallMarkTests
{
    [Theory]
    [InlineData("0x1000", 0x1000)]
    [InlineData("0X20", 0x20)]
    [InlineData("64", 64)]
    [InlineData("0x80000000", 0x80000000)]
    [InlineData("0x1000/0x1000", 0x1000)]
    public void One_bit_is_a_mark(string text, uint bit)
    {
        Assert.True(FirewallMark.TryParse(text, out FirewallMark mark));
        Assert.Equal(bit, mark.Bit);
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("0x3")]
    [InlineData("0x1000/0xffff")]
    [InlineData("0x1000/")]
    [InlineData("0x1/0x1/0x1")]
    [InlineData("-1")]
    [InlineData(" 1")]
    [InlineData("0x100000000")]
    [InlineData("bit")]
    public void Anything_else_is_none(string text) => Assert.False(FirewallMark.TryParse(text, out _));

    [Fact]
    public void The_default_is_no_bit_that_others_use()
    {
        uint others = 0x4000 | 0x8000 // kube-proxy
            | 0x2000 // CNI port map
            | 0xFFFF0000 // Calico
            | 0x0F00 // Cilium
            | 0xFF0000 // Tailscale
            | 0x80 // AWS CNI
            | 51820; // wg-quick
        Assert.False(FirewallMark.Default.IsIn(others));
        Assert.Equal("0x1000", FirewallMark.Default.ToString());
    }
}
