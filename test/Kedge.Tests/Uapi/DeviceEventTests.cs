using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Tests.Uapi;

public class DeviceEventTests
{
    private static readonly string Hex = string.Concat(Enumerable.Repeat("0a", 32));
    private static readonly PublicKey Key = PublicKey.FromBytes(Convert.FromHexString(Hex));

    [Fact]
    public void Every_event_is_a_line()
    {
        AssertIs("changed=true", new DeviceChanged());
        AssertIs($"introduce={Hex} request", new IntroductionWanted(Key, IsAnswer: false));
        AssertIs($"introduce={Hex} answer", new IntroductionWanted(Key, IsAnswer: true));
        AssertIs($"reached={Hex} true", new PeerReached(Key, IsReached: true));
        AssertIs($"reached={Hex} false", new PeerReached(Key, IsReached: false));
        AssertIs("lookup=10.7.0.9", new LookupWanted(IpAddress.Parse("10.7.0.9")));
        AssertIs("lookup=fd00::9", new LookupWanted(IpAddress.Parse("fd00::9")));
    }

    [Fact]
    public void A_frame_is_a_line_of_its_bytes()
    {
        string line = new FrameReceived(Key, new byte[] { 4, 0, 255 }).ToLine();
        Assert.Equal($"frame={Hex} 0400ff", line);

        Assert.True(DeviceEvent.TryParse(line, out DeviceEvent? happened));
        FrameReceived read = Assert.IsType<FrameReceived>(happened);
        Assert.Equal(Key, read.Peer);
        Assert.Equal([4, 0, 255], read.Frame.ToArray());
    }

    [Theory]
    [InlineData("")]
    [InlineData("changed")]
    [InlineData("changed=false")]
    [InlineData("later=true")]
    [InlineData("introduce=0a request")]
    [InlineData("reached=0a true")]
    [InlineData("frame=0a 04")]
    [InlineData("lookup=")]
    [InlineData("lookup=10.7.0")]
    [InlineData("lookup=10.7.0.9 10.7.0.10")]
    public void Anything_else_is_none(string line) => Assert.False(DeviceEvent.TryParse(line, out _));

    [Theory]
    [InlineData("introduce", "maybe")]
    [InlineData("reached", "yes")]
    [InlineData("frame", "0")]
    [InlineData("frame", "0x")]
    public void Words_that_a_key_does_not_have_are_none(string key, string word) => Assert.False(DeviceEvent.TryParse($"{key}={Hex} {word}", out _));

    private static void AssertIs(string line, DeviceEvent happened)
    {
        Assert.Equal(line, happened.ToLine());
        Assert.True(DeviceEvent.TryParse(line, out DeviceEvent? read));
        Assert.Equal(happened, read);
    }
}
