using System.Security.Cryptography.X509Certificates;
using Kedge.Node.Connecting;
using Kedge.Tests.ControlLink;
using Kedge.Protocol;

namespace Kedge.Tests.Connecting;

/// <summary>Only the holder of the pinned authority's key decides who the controller is.</summary>
public sealed class PinnedServerTests : IDisposable
{
    private readonly TestAuthority _authority = new();
    private readonly TestAuthority _other = new();

    [Fact]
    public async Task A_server_that_the_pinned_authority_certified_is_trusted() =>
        Assert.Null(await RefusalAsync(_authority.Certify(), _authority.Certificate));

    [Fact]
    public async Task A_server_of_another_authority_is_refused() =>
        Assert.Contains("not the one that is pinned", await RefusalAsync(_other.Certify(), _other.Certificate), StringComparison.Ordinal);

    [Fact]
    public async Task A_server_that_does_not_show_its_authority_is_refused() =>
        Assert.Contains("not the one that is pinned", await RefusalAsync(_authority.Certify(), null), StringComparison.Ordinal);

    [Fact]
    public async Task A_server_that_only_shows_the_pinned_authority_beside_its_own_certificate_is_refused() =>
        Assert.Contains("not issued by the pinned authority", await RefusalAsync(_other.Certify(), _authority.Certificate), StringComparison.Ordinal);

    [Fact]
    public async Task A_pinned_key_whose_certificate_may_not_certify_others_is_refused()
    {
        using var server = new TestAuthority(isAuthority: false);
        Assert.Contains("not issued by the pinned authority", await RefusalAsync(server.Certify(), server.Certificate, server.Pin), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-5, -2)]
    [InlineData(2, 5)]
    public async Task A_certificate_that_does_not_hold_today_is_refused_with_its_dates(int from, int to) =>
        Assert.Contains("check the clocks", await RefusalAsync(_authority.Certify((from, to)), _authority.Certificate), StringComparison.Ordinal);

    [Fact]
    public async Task A_controller_that_was_given_another_name_is_trusted_by_its_pin_alone()
    {
        Assert.Null(await RefusalAsync(_authority.Certify(name: "control.example"), _authority.Certificate));
        Assert.NotNull(await RefusalAsync(_other.Certify(name: "localhost"), _other.Certificate));
    }

    [Fact]
    public async Task A_certificate_of_a_client_is_no_servers() => Assert.Contains(
        "not issued by the pinned authority",
        await RefusalAsync(_authority.Certify(usage: "1.3.6.1.5.5.7.3.2"), _authority.Certificate),
        StringComparison.Ordinal);

    [Fact]
    public void No_redirection_is_followed()
    {
        using SocketsHttpHandler handler = new PinnedServer(_authority.Pin, TimeProvider.System).CreateHandler();
        Assert.False(handler.AllowAutoRedirect);
    }

    [Fact]
    public async Task Any_of_several_pins_will_do()
    {
        Assert.Null(await RefusalAsync(_authority.Certify(), _authority.Certificate, _other.Pin, _authority.Pin));
        Assert.Contains("not the one that is pinned", await RefusalAsync(_authority.Certify(), _authority.Certificate, _other.Pin), StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _authority.Dispose();
        _other.Dispose();
    }

    /// <summary>Why a server is refused; null when it is not. A refused one has not got a byte of the request.</summary>
    private async Task<string?> RefusalAsync(X509Certificate2 leaf, X509Certificate2? sent, params Sha256Digest[] pins)
    {
        using X509Certificate2 certificate = leaf;
        using var server = new TestServer(certificate, sent);
        using var http = new HttpClient(new PinnedServer(pins.Length > 0 ? pins : [_authority.Pin], TimeProvider.System).CreateHandler());
        try
        {
            (await http.GetAsync(server.Url, TestContext.Current.CancellationToken)).Dispose();
            Assert.NotEqual(0, server.Asked.Length);
            return null;
        }
        catch (HttpRequestException e)
        {
            Assert.Equal(0, server.Asked.Length);
            return Assert.IsType<PinnedServerException>(e.InnerException).Message;
        }
    }
}
