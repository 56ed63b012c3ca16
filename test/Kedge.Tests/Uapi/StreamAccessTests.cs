using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Tests.Uapi;

/// <summary>By what a device opens a stream, as its configuration socket has it.</summary>
public class StreamAccessTests
{
    private static readonly StreamAccess Access = new(
        [new EndpointName("controller.example", "", 443), new EndpointName("2001:db8::1", "", 8443)],
        [Sha256Digest.Of([1]), Sha256Digest.Of([2])],
        "/var/lib/ke dge/ü/kedge0");

    [Fact]
    public void A_device_shows_what_it_was_told()
    {
        using var status = new DeviceStatus { Stream = Access, HasStream = true };
        using UapiAnswer answer = UapiAnswer.KedgeGet(status);

        using DeviceStatus read = UapiAnswerReader.Read(answer.Bytes.Span);

        Assert.Equal(Access, read.Stream);
        Assert.True(read.HasStream);
        Assert.DoesNotContain("stream", System.Text.Encoding.ASCII.GetString(UapiAnswer.Get(status).Bytes.Span), StringComparison.Ordinal);
    }

    [Fact]
    public void The_lines_of_a_request_say_the_same()
    {
        var read = new StreamAccess([], [], "");
        foreach (string line in Access.ToLines())
        {
            int equals = line.IndexOf('=', StringComparison.Ordinal);
            Assert.Null(StreamAccess.TakeLine(read, line[..equals], line[(equals + 1)..], out read));
            Assert.True(line.Length < UapiReader.MaximumLineLength);
        }

        Assert.Equal(Access, read);
        Assert.Equal("controller.example:443, [2001:db8::1]:8443", string.Join(", ", read.Servers));
    }

    [Theory]
    [InlineData("controller.example")]
    [InlineData("controller.example:0")]
    [InlineData("controller.example:65536")]
    [InlineData("2001:db8::1:443")]
    [InlineData(":443")]
    [InlineData("a b:443")]
    [InlineData("[2001:db8::1:443")]
    public void What_is_no_server_is_refused(string text)
    {
        Assert.Null(EndpointName.TryParse(text));
        Assert.NotNull(StreamAccess.TakeLine(Access, "stream", text, out StreamAccess after));
        Assert.Equal(Access, after);
    }
}
