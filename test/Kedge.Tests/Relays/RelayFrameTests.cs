using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Relays;

public class RelayFrameTests
{
    private static readonly PublicKey Key = PublicKey.FromBytes([.. Enumerable.Range(1, 32).Select(i => (byte)i)]);

    [Fact]
    public void Its_bytes_are_those_that_the_page_says()
    {
        byte[] bytes = new RelayFrame(RelayFrameKind.Offer, Key, Out: 0x01020304, In: 0xF0F1F2F3).ToArray();

        Assert.Equal(
            [3, 2, 44, 0, .. Enumerable.Range(1, 32).Select(i => (byte)i), 4, 3, 2, 1, 0xF3, 0xF2, 0xF1, 0xF0],
            bytes);
    }

    [Theory]
    [InlineData(RelayFrameKind.Open)]
    [InlineData(RelayFrameKind.Refused)]
    public void What_is_written_is_read_whatever_the_padding(RelayFrameKind kind)
    {
        var frame = new RelayFrame(kind, Key, Out: 7, In: uint.MaxValue);

        Assert.True(RelayFrame.TryRead([.. frame.ToArray(), 0, 0, 0, 0], out RelayFrame read));
        Assert.Equal(frame, read);
    }

    [Fact]
    public void What_is_cut_or_says_something_else_is_none()
    {
        byte[] frame = new RelayFrame(RelayFrameKind.Open, Key).ToArray();

        Assert.False(RelayFrame.TryRead(frame.AsSpan(..^1), out _));
        Assert.False(RelayFrame.TryRead([1, .. frame[1..]], out _));
        Assert.False(RelayFrame.TryRead([frame[0], 0, .. frame[2..]], out _));
        Assert.False(RelayFrame.TryRead([frame[0], 6, .. frame[2..]], out _));
        Assert.False(RelayFrame.TryRead([frame[0], frame[1], 43, .. frame[3..]], out _));
    }
}
