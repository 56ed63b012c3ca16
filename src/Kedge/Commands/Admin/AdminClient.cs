using Kedge.Protocol;
using Kedge.Protocol.Api;

namespace Kedge.Commands.Admin;

/// <summary>
/// What an administrator asks of a controller, one method a route of <c>/api/v1</c>. Zones and nodes are named by name or identifier; the
/// controller says when a name is unknown or not enough. Any thread; the caller disposes it.
/// </summary>
internal sealed class AdminClient : IDisposable
{
    /// <summary>How long a request may take unless the caller is in a hurry.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static readonly ApiJson Json = ApiJson.Default;

    private readonly ControllerConnection _controller;

    /// <param name="login">Which controller, and as whom.</param>
    /// <param name="timeout">How long a request may take; null for <see cref="Patience"/>.</param>
    public AdminClient(Login login, TimeSpan? timeout = null) => _controller = new ControllerConnection(login, timeout ?? Patience);

    /// <summary>The network that the controller runs.</summary>
    public Task<NetworkDescription> GetNetworkAsync() => _controller.GetAsync("network", Json.NetworkDescription);

    /// <summary>All zones.</summary>
    public Task<IReadOnlyList<Zone>> ListZonesAsync() => _controller.GetAsync("zones", Json.IReadOnlyListZone);

    /// <summary>One zone.</summary>
    public Task<Zone> GetZoneAsync(string zone) => _controller.GetAsync($"zones/{Segment(zone)}", Json.Zone);

    /// <summary>Makes a zone.</summary>
    public Task<Zone> CreateZoneAsync(ZoneCreation zone) =>
        _controller.SendAsync(HttpMethod.Post, "zones", ControllerConnection.Body(zone, Json.ZoneCreation), Json.Zone);

    /// <summary>Changes a zone's name or description.</summary>
    public Task<Zone> ChangeZoneAsync(string zone, ZoneChange change) => _controller.SendAsync(
        HttpMethod.Patch, $"zones/{Segment(zone)}", ControllerConnection.Body(change, Json.ZoneChange), Json.Zone);

    /// <summary>Deletes a zone; with <paramref name="force"/> its nodes are removed first.</summary>
    public Task DeleteZoneAsync(string zone, bool force) =>
        _controller.SendEmptyAsync(HttpMethod.Delete, $"zones/{Segment(zone)}{(force ? "?force=true" : "")}");

    /// <summary>All nodes, or those of one zone.</summary>
    public Task<IReadOnlyList<RegisteredNode>> ListNodesAsync(string? zone) =>
        _controller.GetAsync($"nodes{InZone(zone)}", Json.IReadOnlyListRegisteredNode);

    /// <summary>One node.</summary>
    public Task<RegisteredNode> GetNodeAsync(string node, string? zone) =>
        _controller.GetAsync($"nodes/{Segment(node)}{InZone(zone)}", Json.RegisteredNode);

    /// <summary>Makes a stock WireGuard peer.</summary>
    public Task<RegisteredNode> CreateNodeAsync(NodeCreation node) =>
        _controller.SendAsync(HttpMethod.Post, "nodes", ControllerConnection.Body(node, Json.NodeCreation), Json.RegisteredNode);

    /// <summary>Changes a node's name, tags or endpoint.</summary>
    public Task<RegisteredNode> ChangeNodeAsync(string node, string? zone, NodeChange change) => _controller.SendAsync(
        HttpMethod.Patch, $"nodes/{Segment(node)}{InZone(zone)}", ControllerConnection.Body(change, Json.NodeChange), Json.RegisteredNode);

    /// <summary>Approves what a node waits for.</summary>
    public Task<RegisteredNode> ApproveNodeAsync(string node, string? zone) =>
        _controller.SendAsync(HttpMethod.Post, $"nodes/{Segment(node)}/approval{InZone(zone)}", null, Json.RegisteredNode);

    /// <summary>Removes a node.</summary>
    public Task RemoveNodeAsync(string node, string? zone) =>
        _controller.SendEmptyAsync(HttpMethod.Delete, $"nodes/{Segment(node)}{InZone(zone)}");

    /// <summary>A stock WireGuard peer's configuration for wg-quick, with a place for its private key.</summary>
    public async Task<string> GetWireGuardConfigurationAsync(string node, string? zone) =>
        WgQuickFile.Check(await _controller.GetTextAsync($"nodes/{Segment(node)}/wireguard-configuration{InZone(zone)}"));

    /// <summary>What the master key of a locked network is to sign.</summary>
    public Task<IReadOnlyList<SigningRequest>> ListSigningRequestsAsync() =>
        _controller.GetAsync("network/signing-requests", Json.IReadOnlyListSigningRequest);

    /// <summary>Hands over certificates that the master key signed.</summary>
    public Task<CertificateImportResult> ImportCertificatesAsync(CertificateImport import) => _controller.SendAsync(
        HttpMethod.Post, "network/certificates", ControllerConnection.Body(import, Json.CertificateImport), Json.CertificateImportResult);

    /// <summary>Hands over a revocation list that an authority signed.</summary>
    public Task<RevocationListImportResult> ImportRevocationListAsync(RevocationListImport import) => _controller.SendAsync(
        HttpMethod.Post, "network/revocation-lists", ControllerConnection.Body(import, Json.RevocationListImport), Json.RevocationListImportResult);

    /// <summary>All tokens, without their secrets.</summary>
    public Task<IReadOnlyList<JoinToken>> ListTokensAsync() => _controller.GetAsync("tokens", Json.IReadOnlyListJoinToken);

    /// <summary>Makes a token. What is returned has its secret.</summary>
    public Task<CreatedToken> CreateTokenAsync(TokenCreation token) =>
        _controller.SendAsync(HttpMethod.Post, "tokens", ControllerConnection.Body(token, Json.TokenCreation), Json.CreatedToken);

    /// <summary>Revokes a token.</summary>
    public Task RevokeTokenAsync(string id) => _controller.SendEmptyAsync(HttpMethod.Delete, $"tokens/{Segment(id)}");

    /// <summary>All leases, or those of one zone.</summary>
    public Task<IReadOnlyList<Lease>> ListLeasesAsync(string? zone) => _controller.GetAsync($"leases{InZone(zone)}", Json.IReadOnlyListLease);

    /// <summary>Ends the quarantine of an address or child prefix.</summary>
    public Task FreeLeaseAsync(string value, string? zone) => _controller.SendEmptyAsync(
        HttpMethod.Delete, $"leases?value={Uri.EscapeDataString(value)}{(zone is null ? "" : $"&zone={Uri.EscapeDataString(zone)}")}");

    /// <summary>The last entries of the audit log, oldest first.</summary>
    public Task<IReadOnlyList<AuditEntry>> ListAuditAsync(int limit) =>
        _controller.GetAsync($"audit?limit={limit}", Json.IReadOnlyListAuditEntry);

    /// <inheritdoc/>
    public void Dispose() => _controller.Dispose();

    private static string InZone(string? zone) => zone is null ? "" : $"?zone={Uri.EscapeDataString(zone)}";

    // Names are checked when the call is read; a dot would be taken for a step up in the path, however it is escaped.
    private static string Segment(string name) => name.Contains('.') || name.Length == 0
        ? throw new UserError($"'{name}' is neither a name nor an identifier: names have a-z, 0-9 and '-'.")
        : Uri.EscapeDataString(name);
}
