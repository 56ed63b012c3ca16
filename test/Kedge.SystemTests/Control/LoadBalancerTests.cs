using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using Kedge.Demo;
using Kedge.Protocol.Api;

namespace Kedge.SystemTests.Control;

/// <summary>A controller behind a TCP load balancer that speaks the PROXY protocol; the test itself plays the load balancer.</summary>
public sealed class LoadBalancerTests : IDisposable
{
    // From 203.0.113.9:40000 to 198.51.100.2:8443, TCP over IPv4 (The PROXY protocol, section 2.2).
    private static readonly byte[] Header =
        [.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x21, 0x11, 0, 12, 203, 0, 113, 9, 198, 51, 100, 2, 0x9C, 0x40, 0x20, 0xFB];

    private readonly Topology _net = Topology.Create(); // for its folder alone
    private readonly ControllerProcess _controller;

    public LoadBalancerTests() =>
        _controller = ControllerProcess.Start(_net, "--stun-port", "0", "--proxy-protocol-from", "127.0.0.8/30", "--proxy-protocol-from", "2001:db8::/64");

    public void Dispose()
    {
        _controller.Dispose();
        _net.Dispose();
    }

    [Fact]
    public async Task The_audit_log_names_the_source_that_the_load_balancer_names()
    {
        using HttpClient client = CreateClient("127.0.0.9", Header);
        await client.ReadAsync<CreatedToken>(HttpMethod.Post, "/api/v1/tokens", new TokenCreation { Zone = "default" });
        using HttpResponseMessage audit = await client.CallAsync(HttpMethod.Get, "/api/v1/audit");
        Assert.Contains("203.0.113.9", await audit.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.9", false)]
    [InlineData("127.0.0.1", true)]
    public async Task A_connection_with_no_header_from_the_load_balancer_or_with_one_from_elsewhere_is_closed(string from, bool hasHeader)
    {
        using HttpClient client = CreateClient(from, hasHeader ? Header : []);
        Exception? failure = await Record.ExceptionAsync(() => client.GetAsync("/health/live", TestContext.Current.CancellationToken));
        // Where the connection is closed before the client has looked at its far end, the socket's own exception comes through.
        Assert.True(failure is HttpRequestException or SocketException, $"{failure}");
    }

    [Fact]
    public async Task Whoever_comes_past_the_load_balancer_is_served_without_a_header()
    {
        using HttpClient client = CreateClient("127.0.0.1", []);
        Assert.Equal("live\n", await client.GetStringAsync("/health/live", TestContext.Current.CancellationToken));
    }

    private HttpClient CreateClient(string from, byte[] header)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                socket.Bind(new IPEndPoint(IPAddress.Parse(from), 0));
                await socket.ConnectAsync(IPAddress.Loopback, _controller.Url.Port, cancellation);
                await socket.SendAsync(header, cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
            SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = _controller.Trust },
        };
        var client = new HttpClient(handler) { BaseAddress = _controller.Url, DefaultRequestVersion = HttpVersion.Version20 };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", _controller.AdministratorToken);
        return client;
    }
}
