using Kedge.Protocol.Ip;

namespace Kedge.Tests.Ip;

/// <summary>Endpoints as people write them.</summary>
public class EndpointNameTests
{
    [Theory]
    [InlineData("server.example:9999", "server.example", "", 9999)]
    [InlineData("192.0.2.1:1", "192.0.2.1", "", 1)]
    [InlineData("[2001:db8::1]:65535", "2001:db8::1", "", 65535)]
    [InlineData("[fe90::3%rosenpass0]:9999", "fe90::3", "rosenpass0", 9999)]
    [InlineData("fe90::3%rosenpass0:9999", "fe90::3", "rosenpass0", 9999)]
    public void A_name_is_read(string text, string host, string scope, int port)
    {
        EndpointName name = EndpointName.TryParse(text)!;
        Assert.Equal(new EndpointName(host, scope, (ushort)port), name);
        Assert.Equal(name, EndpointName.TryParse($"{name}"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("server.example")]
    [InlineData("server.example:")]
    [InlineData("server.example:0")]
    [InlineData("server.example:65536")]
    [InlineData("server.example:+1")]
    [InlineData(":9999")]
    [InlineData("a b:9999")]
    [InlineData("2001:db8::1:9999")]
    [InlineData("[server.example]:9999")]
    [InlineData("[fe80::1%]:9999")]
    [InlineData("server.example%eth0:9999")]
    [InlineData("[2001:db8::g]:9999")]
    public void What_is_no_name_is_refused(string text) => Assert.Null(EndpointName.TryParse(text));

    [Theory]
    [InlineData("192.0.2.1:9999", "192.0.2.1", "", 9999)]
    [InlineData("[::]:0", "::", "", 0)]
    [InlineData("[fe80::1%eth0]:9999", "fe80::1", "eth0", 9999)]
    public void Where_to_receive_is_an_address_and_any_port(string text, string host, string scope, int port) =>
        Assert.Equal(new EndpointName(host, scope, (ushort)port), EndpointName.TryParseLocal(text));

    [Theory]
    [InlineData("localhost:9999")]
    [InlineData("*:9999")]
    [InlineData("[fe80::1%]:9999")]
    [InlineData("9999")]
    public void Where_to_receive_is_no_name(string text) => Assert.Null(EndpointName.TryParseLocal(text));
}
