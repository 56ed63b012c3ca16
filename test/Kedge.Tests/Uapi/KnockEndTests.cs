using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Tests.Uapi;

/// <summary>How those that watch a device are told of knocks.</summary>
public class KnockEndTests
{
    private static readonly Endpoint At = Endpoint.Parse("[2001:db8::7]:7891");

    [Fact]
    public void What_is_written_is_read()
    {
        AssertSame(new KnockEnd(At, At, null, new byte[] { 0, 62, 63, 255 }));
        AssertSame(new KnockEnd(default, Endpoint.Parse("192.0.2.7:1"), "The other node = refuses: 100 %.\n", default));
    }

    [Theory]
    [InlineData("knocked=")]
    [InlineData("knocked=none none none")]
    [InlineData("knocked=somewhere none none none")]
    [InlineData("knocked=none none none %%%")]
    [InlineData("knocked=none none none none none")]
    public void Anything_else_is_not(string line) => Assert.False(DeviceEvent.TryParse(line, out _));

    private static void AssertSame(KnockEnd end)
    {
        string line = end.ToLine();
        Assert.DoesNotContain('\n', line);
        Assert.True(DeviceEvent.TryParse(line, out DeviceEvent? happened));
        KnockEnd read = Assert.IsType<KnockEnd>(happened);
        Assert.Equal((end.Asked, end.Remote, end.Refusal), (read.Asked, read.Remote, read.Refusal));
        Assert.Equal(end.Certificate.ToArray(), read.Certificate.ToArray());
    }
}
