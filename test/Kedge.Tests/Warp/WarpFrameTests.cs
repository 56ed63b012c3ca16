using Kedge.Protocol.Ip;
using Kedge.Protocol.Warp;

namespace Kedge.Tests.Warp;

public class WarpFrameTests
{
    [Fact]
    public void A_hello_has_the_uid_and_nothing_else()
    {
        byte[] frame = WarpFrame.Hello("dev-1");

        Assert.Equal([1, 0, 5, .. "dev-1"u8], frame);
        Assert.Equal(WarpParse.Complete, WarpFrame.Parse([.. frame, 9, 9], out WarpFrame read));
        Assert.Equal(new WarpFrame(WarpFrameKind.Hello, WarpRefusal.None, "dev-1", frame.Length), read);
    }

    [Fact]
    public void A_refusal_has_a_reason_and_a_sentence_that_is_cut_between_characters()
    {
        byte[] frame = WarpFrame.Refused(WarpRefusal.UidTaken, new string('é', 1000));

        Assert.Equal(WarpParse.Complete, WarpFrame.Parse(frame, out WarpFrame read));
        Assert.Equal((WarpFrameKind.Refused, WarpRefusal.UidTaken, new string('é', 255)), (read.Kind, read.Refusal, read.Text));
        Assert.True(frame.Length <= WarpFrame.MaximumLength);
    }

    [Fact]
    public void An_acceptance_is_three_bytes() => Assert.Equal([2, 0, 0], WarpFrame.Accepted());

    [Theory]
    [InlineData("")]
    [InlineData("a\nb")]
    [InlineData("a\u202Eb")]
    public void A_uid_that_cannot_be_shown_is_none(string uid)
    {
        Assert.False(Uid.IsValid(uid));
        Assert.Equal(WarpParse.Invalid, WarpFrame.Parse(WarpFrame.Hello(uid), out _));
    }

    [Fact]
    public void A_frame_that_announces_too_much_is_invalid_before_it_has_come() =>
        Assert.Equal(WarpParse.Invalid, WarpFrame.Parse([1, 2, 1], out _));

    [Fact]
    public void A_frame_of_a_kind_to_come_is_complete_and_says_nothing()
    {
        Assert.Equal(WarpParse.Complete, WarpFrame.Parse([77, 0, 2, (byte)'a', (byte)'b'], out WarpFrame read));
        Assert.Equal((5, ""), (read.Length, read.Text));
    }

    [Theory]
    [InlineData("192.0.2.9:80", "198.51.100.1:4000", "01005009" + "3139322E302E322E39" + "04C6336401" + "0FA0")]
    [InlineData("[::1]:22", "[2001:db8::1]:1", "01001603" + "3A3A31" + "10" + "20010DB8000000000000000000000001" + "0001")]
    [InlineData("db:1", "127.0.0.1:2", "01000102" + "6462" + "047F000001" + "0002")]
    public void A_call_header_is_laid_out_as_it_says(string target, string caller, string bytes)
    {
        Assert.True(WarpTarget.TryParse(target, out WarpTarget? to));

        byte[] header = CallHeader.Write(to, Endpoint.Parse(caller));

        Assert.Equal(bytes, Convert.ToHexString(header));
        for (int length = 0; length < header.Length; length++)
            Assert.Equal(WarpParse.Incomplete, CallHeader.Parse(header.AsSpan(0, length), out _));
        Assert.Equal(WarpParse.Complete, CallHeader.Parse([.. header, 1, 2, 3], out CallHeader read));
        Assert.Equal(new CallHeader(to, Endpoint.Parse(caller), header.Length), read);
    }

    [Theory]
    [InlineData("02")] // another kind
    [InlineData("010050000405")] // no host
    [InlineData("010000016104")] // port 0 only shows once all is there
    public void A_call_header_that_makes_no_sense_is_never_complete(string bytes) =>
        Assert.NotEqual(WarpParse.Complete, CallHeader.Parse(Convert.FromHexString(bytes), out _));

    [Fact]
    public void A_header_of_socket_warp_is_text_in_1024_bytes()
    {
        Assert.True(WarpTarget.TryParse("db.internal:5432", out WarpTarget? target));

        byte[] header = LegacyCallHeader.Write("140023-4", target);

        Assert.Equal(1024, header.Length);
        Assert.Equal("140023-4|db.internal:5432"u8, header.AsSpan().TrimEnd((byte)0));
        Assert.Equal(WarpParse.Incomplete, LegacyCallHeader.Parse(header.AsSpan(0, 1023), out _));
        Assert.Equal(WarpParse.Complete, LegacyCallHeader.Parse(header, out WarpTarget? read));
        Assert.Equal(target, read);
    }

    [Theory]
    [InlineData("no bar:1")]
    [InlineData("a|b|c:1")]
    [InlineData("a|host")]
    [InlineData("a|host:0")]
    [InlineData("a|ho st:1")]
    [InlineData("")]
    public void A_header_of_socket_warp_without_two_parts_is_invalid(string text)
    {
        byte[] header = new byte[1024];
        System.Text.Encoding.UTF8.GetBytes(text, header);

        Assert.Equal(WarpParse.Invalid, LegacyCallHeader.Parse(header, out _));
    }

    [Theory]
    [InlineData("127.0.0.1:22", "127.0.0.1", 22)]
    [InlineData("[::1]:22", "::1", 22)]
    [InlineData("a-b_c.example:65535", "a-b_c.example", 65535)]
    public void A_target_is_a_host_and_a_port(string text, string host, int port)
    {
        Assert.True(WarpTarget.TryParse(text, out WarpTarget? target));
        Assert.Equal((host, port, text), (target.Host, target.Port, target.ToString()));
    }

    [Theory]
    [InlineData("host")]
    [InlineData("host:")]
    [InlineData(":1")]
    [InlineData("host:0")]
    [InlineData("host:65536")]
    [InlineData("host:+1")]
    [InlineData("::1:22")]
    [InlineData("[host]:22")]
    [InlineData("ho/st:22")]
    [InlineData(".host:22")]
    public void What_is_not_a_host_and_a_port_is_no_target(string text) => Assert.False(WarpTarget.TryParse(text, out _));
}
