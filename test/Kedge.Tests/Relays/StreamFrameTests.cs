using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Relays;

/// <summary>Datagrams on a stream, and the endpoints that stand for peers there.</summary>
public class StreamFrameTests
{
    private static readonly PublicKey Key = PublicKey.FromBytes([.. Enumerable.Range(1, 32).Select(i => (byte)i)]);

    [Theory]
    [InlineData(1)]
    [InlineData(148)]
    [InlineData(StreamFrame.MaximumDatagram)]
    public void What_was_written_is_read(int length)
    {
        byte[] frame = Frame(7, length);

        StreamFrameKind kind = StreamFrame.Read([.. frame, 1, 2, 3], out ulong peer, out ReadOnlySpan<byte> datagram, out int size);

        Assert.Equal(StreamFrameKind.Datagram, kind);
        Assert.Equal(7UL, peer);
        Assert.Equal(frame.Length, size);
        Assert.Equal(frame[StreamFrame.HeaderSize..], datagram.ToArray());
    }

    [Fact]
    public void A_frame_that_has_not_come_whole_is_waited_for()
    {
        byte[] frame = Frame(7, 100);

        for (int length = 0; length < frame.Length; length++)
        {
            Assert.Equal(StreamFrameKind.Incomplete, StreamFrame.Read(frame.AsSpan(0, length), out _, out _, out int size));
            Assert.Equal(0, size);
        }
    }

    [Fact]
    public void Two_zero_bytes_are_a_keepalive()
    {
        Assert.Equal(StreamFrameKind.Keepalive, StreamFrame.Read([0, 0, 9], out _, out _, out int size));
        Assert.Equal(StreamFrame.KeepaliveSize, size);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)] // a peer, and no datagram
    [InlineData(8 + StreamFrame.MaximumDatagram + 1)]
    [InlineData(ushort.MaxValue)]
    public void Other_lengths_are_refused_at_once(int length) =>
        Assert.Equal(StreamFrameKind.Invalid, StreamFrame.Read([(byte)(length >> 8), (byte)length], out _, out _, out _));

    [Fact]
    public void A_peer_has_an_endpoint_of_the_discard_only_block()
    {
        Endpoint endpoint = StreamAddress.Of(Key);

        Assert.Equal("[100::102:304:506:708]:1", endpoint.ToString());
        Assert.True(StreamAddress.IsStream(endpoint.Address));
        Assert.Equal(StreamAddress.IdOf(Key), StreamAddress.IdOf(endpoint.Address));
        Assert.Equal(0x0102030405060708UL, StreamAddress.IdOf(Key));
    }

    [Theory]
    [InlineData("1.0.0.0")]
    [InlineData("100:0:0:1::1")]
    [InlineData("2001:db8::1")]
    [InlineData("::1")]
    public void Other_addresses_stand_for_nobody(string address) => Assert.False(StreamAddress.IsStream(IpAddress.Parse(address)));

    private static byte[] Frame(ulong peer, int length)
    {
        byte[] frame = new byte[StreamFrame.HeaderSize + length];
        StreamFrame.WriteHeader(frame, peer, length);
        frame.AsSpan(StreamFrame.HeaderSize).Fill(0xAB);
        return frame;
    }
}
