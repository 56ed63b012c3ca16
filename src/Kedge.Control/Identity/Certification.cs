using Kedge.Control.Pki;
using Kedge.Control.Store;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Control.Identity;

/// <summary>
/// What a node is certified for. In a managed network that follows what the node wants and was allowed; in a locked one the master's
/// signature is waited for. A node that is active stays so with the certificate that it has, until there is a new one. Any thread.
/// </summary>
internal sealed class Certification(NetworkAuthority authority)
{
    /// <summary>Who certifies.</summary>
    public NetworkAuthority Authority => authority;

    /// <summary>
    /// Keeps a node that came or changed, and certifies it where nothing stands against that. What it no longer wants is given back as soon as no
    /// certificate in force names it.
    /// </summary>
    /// <param name="store">The change.</param>
    /// <param name="node">The node as it wants to be; its leases are taken already.</param>
    /// <param name="wanted">Its addresses, as prefixes of full length, and child prefixes.</param>
    /// <returns>The node as it is now.</returns>
    public StoredNode Settle(StoreTransaction store, StoredNode node, IReadOnlyList<IpPrefix> wanted)
    {
        if (authority.IsLocked)
        {
            // Others must not get what the certificate in force names.
            Leases.ReleaseAllBut(store, node, wanted, retire: node.Status == StoredNode.Active);
            Nodes.Save(store, node, revision: null);
            return node;
        }
        Leases.ReleaseAllBut(store, node, wanted, retire: false);
        // What waits for approval keeps the node from nothing else.
        NodeLeases leases = Leases.Of(store, node.Id);
        bool isAsWanted = node.Status == StoredNode.Active && Differs(node, leases, Parse(node.Certificate!)) is null && store.Now < RenewalOf(node);
        if (isAsWanted)
        {
            Nodes.Save(store, node, revision: null);
            return node;
        }
        return Install(store, node, authority.Certify(SubjectOf(node, leases), store.Now));
    }

    /// <summary>Gives an active node of a managed network a new certificate for what it is.</summary>
    public StoredNode Renew(StoreTransaction store, StoredNode node) =>
        Install(store, node, authority.Certify(SubjectOf(node, Leases.Of(store, node.Id)), store.Now));

    /// <summary>Takes a certificate that the master of a locked network signed.</summary>
    /// <returns>The node that it is for.</returns>
    /// <exception cref="Refusal">It is not one of this network, or not what a node asked for.</exception>
    public StoredNode Import(StoreTransaction store, Actor actor, string field, byte[] der)
    {
        if (!NodeCertificate.TryParse(der, out NodeCertificate? certificate, out CertificateRefusal malformed))
            throw Refusal.Invalid(field, $"This is no node's certificate. {malformed.Sentence()}");
        StoredNode node = Nodes.TryFindByWireGuardKey(store, certificate.WireGuardKey)
            ?? throw Refusal.Conflict(field, $"The certificate of {certificate.Name} is for a WireGuard key that no node here has: {certificate.WireGuardKey}.");
        if (authority.Trust(RevocationLists.All(store)).Verify(certificate, node.Zone, store.Now) is { } refusal)
            throw Refusal.Conflict(field, $"The certificate of {certificate.Name} cannot be used. {refusal.Sentence()}");
        // Who holds the master key may let a node relay that has not asked for it.
        if (certificate.MayRelay)
            node = node with { Tags = [.. node.Tags.Union([NodeSubject.RelayTag])] };
        if (Differs(node, Leases.Of(store, node.Id).WithClaims, certificate) is { } difference)
        {
            throw Refusal.Conflict(
                field, $"The certificate of {certificate.Name} is not what its node asked for: {difference} differs. Sign its present request: kedge ca sign.");
        }
        if (node.Certificate is { } present && present.AsSpan().SequenceEqual(der))
            return node;
        store.Audit(actor, "node.certify", node.Id.ToString(), node.Zone, $"node {node.Name}, certificate {certificate.Serial} until {certificate.NotAfter:u}");
        Leases.Approve(store, node);
        Leases.ReleaseRetiring(store, node);
        return Install(store, node, certificate);
    }

    /// <summary>When an active node's certificate should be renewed: at half of its life.</summary>
    public static DateTimeOffset RenewalOf(StoredNode node) => node.CertificateFrom!.Value + ((node.CertificateTo!.Value - node.CertificateFrom.Value) / 2);

    /// <summary>What a node still waits for, in words; null for nothing.</summary>
    public string? ReasonOf(StoredNode node, NodeLeases leases)
    {
        if (!authority.IsLocked)
        {
            return leases.Waiting.Count > 0
                ? $"{string.Join(", ", leases.Waiting)} needs an administrator's approval: kedge node approve {node.Name}"
                : null;
        }
        if (node.Status == StoredNode.Pending)
            return "the network is locked, and the holder of its master key certifies nodes: kedge node requests --out requests.json, then kedge ca sign requests.json --ca master";
        return Differs(node, leases.WithClaims, Parse(node.Certificate!)) is { } difference ? $"{difference} waits for a new certificate: kedge ca sign" : null;
    }

    /// <summary>What the certificate of a node should say.</summary>
    public static NodeSubject SubjectOf(StoredNode node, NodeLeases leases) => new()
    {
        Name = node.Name,
        ZoneId = node.Zone,
        IdentityKey = P256PublicKey.TryParse(node.IdentityKey, out P256PublicKey? key) ? key : null,
        WireGuardKey = node.WireGuardKey,
        RosenpassKeyHash = node.RosenpassHash is null ? null : Sha256Digest.FromBytes(node.RosenpassHash),
        Tags = node.Tags,
        Addresses = leases.Addresses,
        ChildPrefixes = leases.ChildPrefixes,
    };

    /// <summary>A certificate that was checked when it came into the store.</summary>
    public static NodeCertificate Parse(byte[] der) =>
        NodeCertificate.TryParse(der, out NodeCertificate? certificate, out CertificateRefusal refusal)
            ? certificate
            : throw new StoreException($"The store has a node's certificate that is none. {refusal.Sentence()}");

    /// <summary>In what a certificate is not what a node wants to be; null where it is.</summary>
    private static string? Differs(StoredNode node, NodeLeases leases, NodeCertificate certificate)
    {
        NodeSubject wanted = SubjectOf(node, leases);
        if (certificate.Name != wanted.Name)
            return $"the name {wanted.Name}";
        if (!Equals(certificate.IdentityKey, wanted.IdentityKey) || certificate.WireGuardKey != wanted.WireGuardKey || certificate.RosenpassKeyHash != wanted.RosenpassKeyHash)
            return "a key";
        if (!certificate.Tags.ToHashSet().SetEquals(wanted.Tags))
            return "the set of tags";
        bool sameAddresses = certificate.Addresses.ToHashSet().SetEquals(wanted.Addresses);
        return sameAddresses && certificate.CheckPrefixes(leases.Held) is null ? null : "the set of addresses and prefixes";
    }

    private static StoredNode Install(StoreTransaction store, StoredNode node, NodeCertificate certificate)
    {
        StoredNode active = node with
        {
            Status = StoredNode.Active,
            Certificate = certificate.Der.ToArray(),
            CertificateFrom = certificate.NotBefore,
            CertificateTo = certificate.NotAfter,
            RenewalWanted = false,
        };
        Nodes.SaveAndTell(store, active);
        return active;
    }
}
