using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Paths;

public class IntroductionFrameTests
{
    private static readonly PublicKey Key = PublicKey.FromBytes([.. Enumerable.Range(1, 32).Select(i => (byte)i)]);

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void What_is_written_is_read_whatever_the_padding(bool opened, bool isPassedOn)
    {
        var frame = new IntroductionFrame(
            Key,
            [new(Endpoint.Parse("192.0.2.1:7"), PeerEndpointKind.Reflexive), new(Endpoint.Parse("[2001:db8::1]:65535"), PeerEndpointKind.Fixed)],
            opened,
            isPassedOn);

        Assert.True(IntroductionFrame.TryRead([.. frame.ToArray(), 0, 0, 0], out IntroductionFrame? read));
        Assert.Equal(frame.Endpoints, read.Endpoints);
        Assert.Equal((Key, opened, isPassedOn), (read.Key, read.Opened, read.IsPassedOn));
    }

    [Fact]
    public void What_is_cut_or_of_another_type_is_none_and_an_endpoint_that_cannot_be_is_left_out()
    {
        byte[] bytes = new IntroductionFrame(Key, [new(Endpoint.Parse("192.0.2.1:7"), PeerEndpointKind.Local)], false, false).ToArray();
        for (int length = 0; length < bytes.Length; length++)
            Assert.False(IntroductionFrame.TryRead(bytes.AsSpan(0, length), out _));
        Assert.False(IntroductionFrame.TryRead([2, .. bytes[1..]], out _));
        bytes[36] = (byte)PeerEndpointKind.Heard;
        Assert.True(IntroductionFrame.TryRead(bytes, out IntroductionFrame? read));
        Assert.Empty(read.Endpoints);
    }

    [Fact]
    public void More_endpoints_than_fit_are_left_out()
    {
        byte[] bytes = new IntroductionFrame(
            Key, [.. Enumerable.Range(1, 100).Select(port => new PeerEndpoint(new Endpoint(IpAddress.IPv4(1), (ushort)port), default))], false, false).ToArray();

        Assert.Equal(IntroductionFrame.MaximumSize, bytes.Length);
        Assert.True(IntroductionFrame.TryRead(bytes, out IntroductionFrame? read));
        Assert.Equal(IntroductionFrame.MaximumEndpoints, read.Endpoints.Count);
    }
}
