using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Control.Identity;

/// <summary>The nodes, as administrators handle them. Any thread.</summary>
internal sealed class Registry(SqliteStore store, Certification certification, Presence presence, ReachedAddresses reached)
{
    private const int MostChildPrefixes = 64;

    private Pki.NetworkAuthority Authority => certification.Authority;

    /// <summary>The nodes of a zone, or of all.</summary>
    public IReadOnlyList<RegisteredNode> List(string? zone, string? status) => store.Read(reader =>
    {
        Guid? id = zone is null ? null : Zones.Find(reader, zone).Id;
        Dictionary<Guid, string> zones = Zones.List(reader).ToDictionary(one => one.Id, one => one.Name);
        IReadOnlyDictionary<Guid, NodeLeases> leases = Leases.OfAll(reader);
        return Nodes.List(reader, id).Where(node => status is null || node.Status == status)
            .Select(node => Describe(node, zones[node.Zone], leases.GetValueOrDefault(node.Id, NodeLeases.None))).ToList();
    });

    /// <summary>One node.</summary>
    /// <exception cref="Refusal">There is none, or several are called so.</exception>
    public RegisteredNode Show(string nameOrId, string? zone) => store.Read(reader => Describe(reader, Find(reader, nameOrId, zone)));

    /// <summary>Makes a stock WireGuard peer. Nobody proves that he has its key.</summary>
    /// <exception cref="Refusal">It is wrong, or in conflict with what is.</exception>
    public Task<RegisteredNode> CreateAsync(NodeCreation wanted, Actor actor)
    {
        var faults = new Faults();
        Values.CheckLabel(faults, "name", wanted.Name);
        PublicKey key = Values.ReadWireGuardKey(faults, "wireGuardKey", wanted.WireGuardKey);
        List<IpAddress> addresses = Values.ReadAddresses(faults, "requestedAddresses", wanted.RequestedAddresses);
        List<IpPrefix> children = Values.ReadPrefixes(faults, "childPrefixes", wanted.ChildPrefixes, MostChildPrefixes);
        EnrolmentForm.CheckApart(faults, "childPrefixes", children);
        Values.CheckTags(faults, "tags", wanted.Tags);
        Endpoint? endpoint = wanted.FixedEndpoint is null ? null : Values.ReadEndpoint(faults, "fixedEndpoint", wanted.FixedEndpoint);
        faults.ThrowIfAny();

        return store.WriteAsync(change =>
        {
            StoredZone zone = Zones.TryFind(change, wanted.Zone)
                ?? throw Refusal.Invalid("zone", $"There is no zone {Values.Show(wanted.Zone)}: 'kedge zone list' shows all.");
            if (Nodes.TryFindByWireGuardKey(change, key) is { } other)
            {
                throw Refusal.Conflict(
                    "wireGuardKey", $"Node {other.Name} has the WireGuard key {key}: each node has its own.", RefusalReason.KeyTaken);
            }
            CheckName(change, zone, wanted.Name, except: Guid.Empty);
            CheckFixedEndpoint(change, zone, endpoint, owner: Guid.Empty);
            StoredNode node = new()
            {
                Id = Guid.CreateVersion7(change.Now),
                Zone = zone.Id,
                Name = wanted.Name,
                Kind = StoredNode.WireGuard,
                Status = StoredNode.Pending,
                WireGuardKey = key,
                Tags = wanted.Tags,
                AllowedPrefixes = [.. children.Select(prefix => prefix.ToString())],
                FixedEndpoint = endpoint?.ToString(),
                CreatedAt = change.Now,
            };
            Nodes.Save(change, node, revision: null);
            node = certification.Settle(change, node, Enrolments.TakeLeases(change, zone, node, addresses, children, reached, presence, approveAll: true));
            change.Audit(
                actor, "node.create", node.Id.ToString(), zone.Id,
                $"stock WireGuard peer {node.Name} with key {key}, {(node.Status == StoredNode.Active ? "certified" : "to be certified")} without proof of possession");
            return Describe(change, node);
        });
    }

    /// <summary>Changes a node's name, tags or endpoint.</summary>
    /// <exception cref="Refusal">It is wrong, or in conflict with what is.</exception>
    public Task<RegisteredNode> ChangeAsync(string nameOrId, string? zone, NodeChange wanted, Actor actor)
    {
        var faults = new Faults();
        if (wanted.Name is { } name)
            Values.CheckLabel(faults, "name", name);
        if (wanted.Tags is { } tags)
            Values.CheckTags(faults, "tags", tags);
        Endpoint? endpoint = wanted.FixedEndpoint is { Length: > 0 } text ? Values.ReadEndpoint(faults, "fixedEndpoint", text) : null;
        faults.ThrowIfAny();

        return store.WriteAsync(change =>
        {
            StoredNode before = Find(change, nameOrId, zone);
            StoredZone home = Zones.Find(change, before.Zone);
            if (wanted.Name is not null)
                CheckName(change, home, wanted.Name, except: before.Id);
            CheckFixedEndpoint(change, home, endpoint, owner: before.Id);
            StoredNode node = before with
            {
                Name = wanted.Name ?? before.Name,
                Tags = wanted.Tags ?? before.Tags,
                FixedEndpoint = wanted.FixedEndpoint is null ? before.FixedEndpoint : endpoint?.ToString(),
            };
            node = certification.Settle(change, node, Leases.Of(change, node.Id).All);
            if (node.FixedEndpoint != before.FixedEndpoint && node.Status == StoredNode.Active)
                Nodes.SaveAndTell(change, node);
            change.Audit(
                actor, "node.change", node.Id.ToString(), node.Zone,
                $"node {before.Name}: name {node.Name}, tags {string.Join(", ", node.Tags)}, endpoint {node.FixedEndpoint ?? "none"}");
            return Describe(change, node);
        });
    }

    /// <summary>Approves the child prefixes that a node waits for.</summary>
    /// <exception cref="Refusal">It is not there, or waits for nothing.</exception>
    public Task<RegisteredNode> ApproveAsync(string nameOrId, string? zone, Actor actor) => store.WriteAsync(change =>
    {
        StoredNode node = Find(change, nameOrId, zone);
        NodeLeases leases = Leases.Of(change, node.Id);
        if (leases.Waiting.Count == 0 || Authority.IsLocked)
            throw Refusal.Conflict($"Node {node.Name} waits for no approval{(certification.ReasonOf(node, leases) is { } reason ? $": {reason}" : "")}.");
        Leases.Approve(change, node);
        node = certification.Settle(change, node, leases.All);
        change.Audit(actor, "node.approve", node.Id.ToString(), node.Zone, $"node {node.Name} with {string.Join(", ", leases.Waiting)} behind it");
        return Describe(change, node);
    });

    /// <summary>Removes a node: the others drop it, and its identity key is refused from then on.</summary>
    /// <exception cref="Refusal">It is not there.</exception>
    public async Task RemoveAsync(string nameOrId, string? zone, Actor actor)
    {
        Guid removed = await store.WriteAsync(change =>
        {
            StoredNode node = Find(change, nameOrId, zone);
            End(change, actor, node, StoredNode.Removed, "node.remove");
            return node.Id;
        });
        presence.Forget(removed);
    }

    /// <summary>A node leaves, or is gone for so long that it counts as having left. It may come back with a token.</summary>
    public async Task LeaveAsync(Guid id, Actor actor, string action)
    {
        await store.WriteAsync(
            change =>
            {
                if (Nodes.TryFind(change, id) is { } node)
                    End(change, actor, node, StoredNode.Left, action);
            },
            Lane.Of(id));
        presence.Forget(id);
    }

    /// <summary>Audits that two machines use a node's keys at the same time.</summary>
    /// <param name="id">The node.</param>
    /// <param name="sources">The addresses that they connect from.</param>
    /// <returns>The node's name; null where there is no such node any more.</returns>
    public Task<string?> NoteDuplicatesAsync(Guid id, IReadOnlyList<string> sources) => store.WriteAsync(
        change =>
        {
            StoredNode? node = Nodes.TryFind(change, id);
            if (node is not null)
                change.Audit(Actor.Controller, "node.duplicate", id.ToString(), node.Zone, $"node {node.Name}: two machines use its keys at the same time, from {string.Join(" and ", sources)}");
            return node?.Name;
        },
        Lane.Of(id));

    /// <summary>Removes a zone.</summary>
    /// <exception cref="Refusal">It is not there, or nodes are in it and <paramref name="force"/> does not say that they may go.</exception>
    public Task DeleteZoneAsync(string nameOrId, bool force, Actor actor) => store.WriteAsync(change =>
    {
        StoredZone zone = Zones.Find(change, nameOrId);
        List<StoredNode> nodes = Nodes.List(change, zone.Id);
        if (nodes.Count > 0 && !force)
            throw Refusal.Conflict($"Zone {zone.Name} has {nodes.Count} node{(nodes.Count == 1 ? "" : "s")}, such as {nodes[0].Name}: remove them first, or force it, which removes them too.");
        foreach (StoredNode node in nodes)
            End(change, actor, node, StoredNode.Removed, "node.remove");
        Zones.Delete(change, actor, zone);
    });

    /// <summary>What waits to be signed in a locked network.</summary>
    public IReadOnlyList<SigningRequest> SigningRequests() => store.Read(reader =>
    {
        if (!Authority.IsLocked)
            return [];
        Dictionary<Guid, string> zones = Zones.List(reader).ToDictionary(one => one.Id, one => one.Name);
        IReadOnlyDictionary<Guid, NodeLeases> all = Leases.OfAll(reader);
        return Nodes.List(reader, null).Select(node => (Node: node, Leases: all.GetValueOrDefault(node.Id, NodeLeases.None)))
            .Where(one => one.Node.RenewalWanted || certification.ReasonOf(one.Node, one.Leases) is not null).Select(one =>
        {
            (StoredNode node, NodeLeases leases) = one;
            return new SigningRequest
            {
                NetworkId = Authority.NetworkId.ToString(),
                ZoneId = node.Zone,
                ZoneName = zones[node.Zone],
                NodeId = node.Id,
                Name = node.Name,
                IdentityKey = node.IdentityKey is null ? null : Convert.ToBase64String(node.IdentityKey),
                WireGuardKey = node.WireGuardKey.ToString(),
                RosenpassKeyHash = node.RosenpassHash is null ? null : Convert.ToBase64String(node.RosenpassHash),
                KeysSignature = node.KeysSignature,
                InvitationProof = node.InvitationProof,
                Tags = node.Tags,
                Addresses = [.. leases.Addresses.Select(address => address.ToString())],
                ChildPrefixes = [.. leases.WithClaims.ChildPrefixes.Select(prefix => prefix.ToString())],
                Proven = node.Kind == StoredNode.Kedge,
                Renewal = node.Status == StoredNode.Active,
            };
        }).ToList();
    });

    /// <summary>
    /// Takes certificates that the master signed, and then its revocation list if there is one: all, or nothing when anything is refused. A list
    /// that names nothing new is passed over, as when files are handed in out of order.
    /// </summary>
    /// <exception cref="Refusal">The network is not locked, or something is refused.</exception>
    public Task<CertificateImportResult> ImportCertificatesAsync(CertificateImport import, Actor actor)
    {
        if (!Authority.IsLocked)
            throw Refusal.Conflict("This network is managed: the controller certifies its nodes itself.");
        List<byte[]> certificates = ReadMany("certificates", import.Certificates, NodeCertificate.MaximumSize);
        RevocationList? list = import.RevocationList is { } text ? ReadList(text) : null;
        return store.WriteAsync(change =>
        {
            List<Guid> accepted = [.. certificates.Select((der, i) => certification.Import(change, actor, $"certificates[{i}]", der).Id)];
            bool isNews = list is not null && !RevocationLists.Covers(change, list);
            return new CertificateImportResult(accepted) { Removed = isNews ? Revoke(change, list!, actor) : [] };
        });
    }

    /// <summary>Takes a revocation list; the nodes that it names are removed.</summary>
    /// <exception cref="Refusal">It is none of this network's authorities, older than the one that is there, or names less.</exception>
    public Task<RevocationListImportResult> ImportRevocationListAsync(RevocationListImport import, Actor actor)
    {
        RevocationList list = ReadList(import.RevocationList);
        return store.WriteAsync(change => new RevocationListImportResult(Revoke(change, list, actor)));
    }

    private static RevocationList ReadList(string text)
    {
        byte[] der = ReadMany("revocationList", [text], RevocationList.MaximumSize)[0];
        return RevocationList.TryParse(der, out RevocationList? list, out CertificateRefusal malformed)
            ? list
            : throw Refusal.Invalid("revocationList", $"This is not a revocation list. {malformed.Sentence()}");
    }

    private List<Guid> Revoke(StoreTransaction change, RevocationList list, Actor actor)
    {
        NetworkTrust trust = Authority.Trust([list.Der.ToArray()]);
        if (trust.Refused is [var refused, ..])
            throw Refusal.Conflict("revocationList", $"The revocation list cannot be used. {refused.Refusal.Sentence()}");
        if (!Authority.IsLocked && list.Contains(Authority.Certificates[1].Serial))
            throw Refusal.Conflict("revocationList", "The list revokes the issuer that certifies nodes at present. Make another first, where the controller runs: kedge controller rotate issuer");
        if (RevocationLists.TryReplace(change, list) is { } reason)
            throw Refusal.Conflict("revocationList", reason);
        // Nodes whose issuer is revoked, and not they themselves, get a certificate of the present one, before the others hear of the list.
        foreach (StoredNode node in Authority.IsLocked ? [] : Nodes.List(change, null).Where(node => node.Status == StoredNode.Active))
        {
            NodeCertificate certificate = Certification.Parse(node.Certificate!);
            if (trust.VerifyIgnoringDates(certificate, node.Zone) == CertificateRefusal.Revoked && !list.Contains(certificate.Serial))
                _ = certification.Renew(change, node);
        }
        change.Change(Guid.Empty, MapSubject.Trust, Guid.Empty);
        change.Audit(actor, "trust.revoke", list.AuthorityKeyIdentifier, null, $"revocation list {list.Number} of {list.IssuerName} with {list.Entries.Count} certificates");
        List<Guid> removed = [];
        foreach (StoredNode node in Nodes.List(change, null).Where(node => node.Certificate is not null))
        {
            if (trust.VerifyIgnoringDates(Certification.Parse(node.Certificate!), node.Zone) != CertificateRefusal.Revoked)
                continue;
            End(change, actor, node, StoredNode.Removed, "node.remove");
            removed.Add(node.Id);
        }
        return removed;
    }

    private static List<byte[]> ReadMany(string field, IReadOnlyList<string> values, int most)
    {
        const int MostValues = 1000;
        var faults = new Faults();
        if (values.Count > MostValues)
            faults.Add(field, $"There are {values.Count}, but {MostValues} is the most at once.");
        List<byte[]> read = [.. values.Take(MostValues).Select((value, i) => Values.ReadBytes(faults, $"{field}[{i}]", value, 1, most))];
        faults.ThrowIfAny();
        return read;
    }

    private static StoredNode Find(StoreReader reader, string nameOrId, string? zone) =>
        Nodes.Find(reader, nameOrId, zone is null ? null : Zones.Find(reader, zone));

    private static void CheckName(StoreReader reader, StoredZone zone, string name, Guid except)
    {
        if (Nodes.IsNameTaken(reader, zone.Id, name, except))
        {
            throw Refusal.Conflict(
                "name", $"Zone {zone.Name} has another node {Values.Show(name)}: choose another name.", RefusalReason.NameTaken);
        }
    }

    private static void CheckFixedEndpoint(StoreReader reader, StoredZone zone, Endpoint? endpoint, Guid owner)
    {
        if (endpoint is not { } at)
            return;
        if (zone.PrefixFor(at.Address) is { IsNone: false } overlay && overlay.Contains(at.Address))
        {
            throw Refusal.Conflict(
                "fixedEndpoint",
                $"{at} is in {overlay}, from which zone {zone.Name} takes its own addresses: name one that is reached without the tunnel.");
        }
        if (Leases.TryFindChildPrefix(reader, zone.Id, at.Address, except: owner) is var (prefix, node))
        {
            throw Refusal.Conflict(
                "fixedEndpoint",
                $"{at} is in {prefix}, a network behind node {node}: the way there would lead through the tunnel itself. Name an address outside "
                + $"of it, or have node {node} announce smaller prefixes without it.");
        }
    }

    private static void End(StoreTransaction change, Actor actor, StoredNode node, string status, string action)
    {
        Leases.ReleaseAll(change, node);
        StoredNode ended = node with { Status = status, Certificate = null };
        if (node.Status == StoredNode.Active)
            Nodes.SaveAndTell(change, ended);
        else
            Nodes.Save(change, ended, revision: null);
        change.Audit(actor, action, node.Id.ToString(), node.Zone, $"node {node.Name}");
    }

    private RegisteredNode Describe(StoreReader reader, StoredNode node) =>
        Describe(node, Zones.Find(reader, node.Zone).Name, Leases.Of(reader, node.Id));

    private RegisteredNode Describe(StoredNode node, string zone, NodeLeases leases) => new()
    {
        Id = node.Id,
        Name = node.Name,
        ZoneId = node.Zone,
        ZoneName = zone,
        Kind = node.Kind,
        Status = node.Status,
        Reason = certification.ReasonOf(node, leases),
        Addresses = [.. leases.Addresses.Select(address => address.ToString())],
        ChildPrefixes = [.. leases.ChildPrefixes.Select(prefix => prefix.ToString())],
        WaitingPrefixes = [.. leases.Waiting.Select(prefix => prefix.ToString())],
        WireGuardKey = node.WireGuardKey.ToString(),
        Tags = node.Tags,
        Ephemeral = node.Ephemeral,
        Online = presence.IsOnline(node.Id),
        DuplicatesFrom = presence.DuplicatesOf(node.Id),
        LastSeenAt = presence.LastSeenAt(node.Id) ?? node.SeenAt,
        FixedEndpoint = node.FixedEndpoint,
        Token = node.Token,
        CertificateExpiresAt = node.CertificateTo,
        CreatedAt = node.CreatedAt,
    };
}
