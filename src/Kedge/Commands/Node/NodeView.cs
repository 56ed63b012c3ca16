using Kedge.Linux;
using Kedge.Linux.Processes;
using Kedge.Node.ControlLink;
using Kedge.Node.Uapi;
using Kedge.Protocol;
using Kedge.Protocol.Mesh;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Commands.Node;

/// <summary>
/// All that is known about a joined interface now: what its control link tells, or, where that does not run, what is on disk; and what
/// its node process shows. Whoever read it disposes it.
/// </summary>
/// <param name="Place">Where its files are.</param>
/// <param name="Membership">What was joined.</param>
/// <param name="Link">What the control link tells; null where it does not run.</param>
/// <param name="Device">What the node process shows; null where it does not run.</param>
internal sealed record NodeView(NodePlace Place, Membership Membership, LinkStatus? Link, DeviceStatus? Device) : IDisposable
{
    /// <summary>How old a handshake may be for its session to be alive (Reject-After-Time).</summary>
    public static readonly TimeSpan SessionLifetime = TimeSpan.FromSeconds(180);

    /// <summary>Reads what there is; null where the interface has joined nothing.</summary>
    public static NodeView? Read(NodePlace place)
    {
        if (Membership.Read(place.Folder) is not { } membership)
            return null;
        LinkStatus? link = ProcessLock.Holder(place.Run.LinkLock) is null ? null : StatusSocket.Ask(place.Run.StatusSocket);
        return new NodeView(place, membership, link, TryGetDevice(place));
    }

    /// <summary>What the node process shows; null where it does not answer. The caller disposes it.</summary>
    public static DeviceStatus? TryGetDevice(NodePlace place)
    {
        try
        {
            return UapiClient.GetStatus(place.RuntimeDirectory, place.Interface);
        }
        catch (Exception e) when (e is UserError or UapiException)
        {
            return null;
        }
    }

    /// <summary>Whether the node is taken down, or has never been up: neither process runs, and it does not wait to join.</summary>
    public bool IsDown => Device is null && Link is null && Membership.Status != Membership.Pending;

    /// <summary>The peers of the zone: as the control link has them, or as the map on disk names them.</summary>
    public IReadOnlyList<LinkPeer> Peers => Link?.Peers ?? PeersOnDisk();

    /// <summary>What the device shows of a peer; null where it does not have it.</summary>
    public PeerStatus? DevicePeer(LinkPeer peer) => Device?.Find(peer.PublicKey);

    /// <summary>
    /// The SHA-256 of the identity key's SubjectPublicKeyInfo, base64url: what <c>kedge ca sign</c> shows of this node too. Null where it is not
    /// known.
    /// </summary>
    public string? IdentityKeyHash => Membership.IdentityKeyHash ?? TryReadCertificate()?.Node.IdentityKey?.Hash.ToString();

    /// <summary>What does not work at present, and what cannot work on this machine.</summary>
    public IEnumerable<string> ProblemsAndLimits() => Problems().Concat(Link?.Limits ?? []);

    /// <summary>What does not work at present.</summary>
    public IEnumerable<string> Problems()
    {
        if (Membership.Status == Membership.Pending)
        {
            string next = ProcessLock.Holder(Place.Run.UpLock) is { } up
                ? $"'kedge up' runs, process {up.Id}, and goes on by itself."
                : $"'kedge up --interface {Place.Interface}' goes on with the join.";
            yield return $"It waits, and carries nothing yet. {next} It waits for this: {Membership.Reason ?? "it has to be certified"}";
            yield break;
        }
        if (Membership.Status == Membership.Removed && Link is null)
            yield return $"{Membership.Reason} {Membership.HowToJoinAgain(Place.Interface)}";
        if (Device is null)
            yield return $"The node process does not run: nothing is carried. 'kedge up --interface {Place.Interface}' starts it.";
        if (Link is null)
            yield return $"The control link does not run: the zone's changes are not followed. 'kedge up --interface {Place.Interface}' starts it.";
        foreach (string problem in Link?.Problems ?? [])
            yield return problem;
        if (Link is { CertificateExpiresAt: { } end } && end < DateTimeOffset.UtcNow)
            yield return $"This node's certificate has expired on {end:u}: nodes that do not know it yet refuse it until the controller is back.";
    }

    /// <inheritdoc/>
    public void Dispose() => Device?.Dispose();

    private CertificateFile? TryReadCertificate()
    {
        try
        {
            return CertificateFile.Read(Place.Folder.Certificate);
        }
        catch (Exception e) when (e is UserError or LinuxException)
        {
            return null;
        }
    }

    private IReadOnlyList<LinkPeer> PeersOnDisk()
    {
        if (!Sha256Digest.TryParse(Membership.Network, out Sha256Digest network))
            return [];
        NetworkMap? map = new MapFile(Place.Folder, network, Membership.NodeId).Read((_, _) => { });
        return
        [
            .. from record in map?.Peers.Values ?? []
               let certificate = Protocol.Certificates.NodeCertificate.TryParse(record.Certificate.Span, out var parsed, out _) ? parsed : null
               where certificate is not null
               orderby certificate.Name
               select new LinkPeer(
                   record.Id,
                   certificate.Name,
                   certificate.WireGuardKey.ToString(),
                   [.. certificate.Addresses.Select(address => address.ToString())],
                   [.. certificate.Prefixes.Select(prefix => prefix.ToString())],
                   []),
        ];
    }
}
