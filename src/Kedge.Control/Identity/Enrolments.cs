using System.Globalization;
using System.Security.Cryptography;
using Kedge.Control.Pki;
using Kedge.Control.Store;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.Ip;

namespace Kedge.Control.Identity;

/// <summary>
/// How a node joins, and comes back: it proves that it has its keys, and what it asks for is given to it or refused in words. Repeating a
/// request is harmless: an answer may be lost on its way. Any thread.
/// </summary>
internal sealed class Enrolments(
    SqliteStore store, Certification certification, Challenges challenges, Presence presence, NodeBudget budget, ReachedAddresses reached,
    Sha256Digest serverPin)
{
    /// <summary>Bytes of an ECDSA signature of P-256 in DER, at least and at most.</summary>
    public const int ShortestSignature = 8, LongestSignature = 72;

    private NetworkAuthority Authority => certification.Authority;

    /// <summary>Answers a request with its proofs.</summary>
    /// <exception cref="Refusal">It is wrong, or not allowed, or in conflict with what is.</exception>
    public async Task<EnrolmentResult> SubmitAsync(EnrolmentSubmission submission, string? source)
    {
        var faults = new Faults();
        EnrolmentForm? form = EnrolmentForm.Read(submission.Request, faults);
        byte[] proof = Values.ReadBytes(faults, "proof", submission.Proof, EnrolmentTranscript.ProofSize, EnrolmentTranscript.ProofSize);
        byte[] signature = Values.ReadBytes(faults, "signature", submission.Signature, ShortestSignature, LongestSignature);
        faults.ThrowIfAny();

        EnrolmentChallenge challenge = Find(submission.Challenge);
        var transcript = EnrolmentTranscript.OfSubmission(
            Authority.NetworkId.ToArray(), serverPin.ToArray(), challenge, submission.Token, submission.Request);
        CheckProof(challenge, transcript, form!, proof);
        CheckSignature(form!.IdentityKey, transcript, signature);
        Use(challenge);

        StoredNode? known = store.Read(reader => Nodes.TryFindByIdentity(reader, form.IdentityKey.SubjectPublicKeyInfo));
        if (known is not null)
            budget.Spend(known.Id, NodeWork.Change);
        // Checked before the write is queued: anyone can make up keys and a token, and members must not wait behind such requests.
        store.Read(reader => CheckAdmission(reader, form, submission.Token));
        Lane lane = known is null ? Lane.Joining : Lane.Of(known.Id);
        EnrolmentResult result = await store.WriteAsync(change => Enrol(change, form, submission.Token, source), lane);
        presence.Seen(result.NodeId);
        // A node that waits is in nobody's map yet, and reports again once it is.
        if (result.Status == StoredNode.Active)
            reached.Report(result.ZoneId, result.NodeId, form.Endpoints);
        return result;
    }

    /// <summary>Tells a node what has become of its request.</summary>
    /// <exception cref="Refusal">It is not known here, or does not have the key that it names.</exception>
    public EnrolmentResult Inquire(EnrolmentInquiry inquiry)
    {
        var faults = new Faults();
        P256PublicKey? key = EnrolmentForm.ReadIdentityKey(faults, "identityKey", inquiry.IdentityKey);
        byte[] signature = Values.ReadBytes(faults, "signature", inquiry.Signature, ShortestSignature, LongestSignature);
        faults.ThrowIfAny();

        EnrolmentChallenge challenge = Find(inquiry.Challenge);
        CheckSignature(
            key!, EnrolmentTranscript.OfInquiry(Authority.NetworkId.ToArray(), serverPin.ToArray(), challenge, inquiry.IdentityKey), signature);
        Use(challenge);

        EnrolmentResult result = store.Read(reader =>
        {
            StoredNode node = Nodes.TryFindByIdentity(reader, key!.SubjectPublicKeyInfo)
                ?? throw Refusal.NotFound(
                    "No node with this identity key is known here: join with a token (kedge token create).", RefusalReason.NodeUnknown);
            CheckNotRemoved(node);
            return ResultOf(reader, node);
        });
        presence.Seen(result.NodeId);
        return result;
    }

    /// <summary>Renews the certificate of a node that has shown its identity key in the TLS handshake, or tells what it has.</summary>
    /// <exception cref="Refusal">It is no member any more.</exception>
    public Task<EnrolmentResult> RenewAsync(Guid id, CertificateRenewal? renewal = null)
    {
        var faults = new Faults();
        byte[]? rosenpass = renewal?.RosenpassKeyHash is { } hash ? Values.ReadBytes(faults, "rosenpassKeyHash", hash, Sha256Digest.Size, Sha256Digest.Size) : null;
        if (renewal?.KeysSignature is { } signature)
            _ = Values.ReadBytes(faults, "keysSignature", signature, ShortestSignature, LongestSignature);
        faults.ThrowIfAny();

        return store.WriteAsync(change => Renew(change, id, rosenpass, renewal?.KeysSignature), Lane.Of(id));
    }

    private EnrolmentResult Renew(StoreTransaction change, Guid id, byte[]? rosenpassHash, string? keysSignature)
    {
        StoredNode node = Nodes.TryFind(change, id) ?? throw Refusal.Forbidden("This node was removed.", RefusalReason.NodeRemoved);
        bool isDue = node.Status == StoredNode.Active && change.Now >= Certification.RenewalOf(node);
        if (isDue && !Authority.IsLocked)
        {
            if (rosenpassHash is not null)
                node = node with { RosenpassHash = rosenpassHash, KeysSignature = keysSignature };
            node = certification.Renew(change, node);
        }
        else if (isDue && !node.RenewalWanted)
        {
            node = node with { RenewalWanted = true };
            Nodes.Save(change, node, revision: null);
        }
        return ResultOf(change, node);
    }

    private EnrolmentChallenge Find(Guid id) => challenges.TryFind(id, out EnrolmentChallenge? challenge)
        ? challenge
        : throw Refusal.Forbidden(
            $"Challenge {id} is unknown here, expired or used: ask for a new one and prove possession again.", RefusalReason.ChallengeInvalid);

    private void Use(EnrolmentChallenge challenge)
    {
        if (challenges.TryUse(challenge.Id))
            return;
        throw Refusal.Forbidden(
            $"Challenge {challenge.Id} is used: ask for a new one and prove possession again.", RefusalReason.ChallengeInvalid);
    }

    private void CheckProof(EnrolmentChallenge challenge, EnrolmentTranscript transcript, EnrolmentForm form, byte[] proof)
    {
        byte[] privateKey = challenges.PrivateKey(challenge.Id);
        try
        {
            Span<byte> expected = stackalloc byte[EnrolmentTranscript.ProofSize];
            if (!transcript.TryProve(privateKey, form.WireGuardKey.ToArray(), expected) || !CryptographicOperations.FixedTimeEquals(expected, proof))
                throw Refusal.Forbidden($"The proof does not show possession of the private key of {form.WireGuardKey}.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(privateKey);
        }
    }

    private static void CheckSignature(P256PublicKey key, EnrolmentTranscript transcript, byte[] signature)
    {
        if (!key.IsSignatureOf(transcript.Hash, signature))
            throw Refusal.Forbidden("The signature is not one of this request by the identity key.");
    }

    private static bool CheckAdmission(StoreReader store, EnrolmentForm form, string? presented)
    {
        if (Nodes.TryFindByIdentity(store, form.IdentityKey.SubjectPublicKeyInfo) is { } known)
            CheckNotRemoved(known);
        else
            CheckToken(store, presented);
        return true;
    }

    private static JoinToken CheckToken(StoreReader store, string? presented) => presented is not null
        ? JoinTokens.Check(store, presented)
        : throw Refusal.Forbidden(
            "No node with this identity key is known here: a token is needed (kedge token create).", RefusalReason.NodeUnknown);

    private static void CheckNotRemoved(StoredNode node)
    {
        if (node.Status == StoredNode.Removed)
        {
            throw Refusal.Forbidden(
                $"Node {node.Name} was removed from this network, and its identity key is refused: to join again it needs new keys and a token.",
                RefusalReason.NodeRemoved);
        }
    }

    private EnrolmentResult Enrol(StoreTransaction change, EnrolmentForm form, string? presented, string? source)
    {
        StoredNode? known = Nodes.TryFindByIdentity(change, form.IdentityKey.SubjectPublicKeyInfo);
        if (known is not null)
            CheckNotRemoved(known);
        StoredNode? sameKey = Nodes.TryFindByWireGuardKey(change, form.WireGuardKey);
        if (known is not null && sameKey is not null && known.Id != sameKey.Id)
        {
            throw Refusal.Conflict(
                "request.wireGuardKey", $"Another node has the WireGuard key {form.WireGuardKey}: make another (kedge up makes one by itself).",
                RefusalReason.KeyTaken);
        }

        // Who is known by its identity key needs no token; a new one may still allow it more.
        JoinToken? token = known is null ? Redeem(change, presented) : TryRedeem(change, known, presented);
        StoredZone zone = ZoneOf(change, form, known, token);
        StoredNode? before = known ?? sameKey;
        if (before is not null && before.Zone != zone.Id)
        {
            throw Refusal.Forbidden(
                $"The WireGuard key {form.WireGuardKey} belongs to a node of another zone than {zone.Name}, which the token is for.",
                RefusalReason.OtherZone);
        }
        string name = NameOf(change, zone, form, before);

        StoredNode node = new()
        {
            Id = before?.Id ?? Guid.CreateVersion7(change.Now),
            Zone = zone.Id,
            Name = name,
            AskedName = form.Name,
            Kind = StoredNode.Kedge,
            Status = before?.Status ?? StoredNode.Pending,
            IdentityKey = form.IdentityKey.SubjectPublicKeyInfo.ToArray(),
            WireGuardKey = form.WireGuardKey,
            RosenpassHash = form.RosenpassKeyHash?.ToArray(),
            KeysSignature = form.KeysSignature,
            InvitationProof = form.InvitationProof ?? before?.InvitationProof,
            Tags = known?.Tags ?? token!.Tags,
            AllowedPrefixes = [.. (before?.AllowedPrefixes ?? []).Union(token?.AllowedPrefixes ?? [])],
            Ephemeral = form.Ephemeral || (known?.Ephemeral ?? token!.Ephemeral),
            FixedEndpoint = before?.FixedEndpoint,
            Token = token?.Id ?? before?.Token,
            Certificate = before?.Certificate,
            CertificateFrom = before?.CertificateFrom,
            CertificateTo = before?.CertificateTo,
            RenewalWanted = before?.RenewalWanted ?? false,
            CreatedAt = before?.CreatedAt ?? change.Now,
            SeenAt = change.Now,
        };
        NodeLeases leasesBefore = before is null ? NodeLeases.None : Leases.Of(change, before.Id);
        Nodes.Save(change, node, revision: null);
        IReadOnlyList<IpPrefix> wanted = TakeLeases(change, zone, node, form.RequestedAddresses, form.ChildPrefixes, reached, presence, approveAll: false);
        node = certification.Settle(change, node, wanted);
        // A node that asks again for what it has changes nothing; only changes are audited.
        if (token is not null || before is null || known is null || IsChanged(before, node) || IsChanged(leasesBefore, Leases.Of(change, node.Id)))
            Audit(change, new Actor(token is null ? $"node {node.Id}" : $"token {token.Id}", source), before, known is null, node, wanted);
        return ResultOf(change, node);
    }

    /// <summary>Takes what a node asks for, and checks what nobody may have.</summary>
    /// <returns>Its addresses, as prefixes of full length, and its child prefixes.</returns>
    internal static IReadOnlyList<IpPrefix> TakeLeases(
        StoreTransaction change, StoredZone zone, StoredNode node, IReadOnlyList<IpAddress> addresses, IReadOnlyList<IpPrefix> children,
        ReachedAddresses reached, Presence presence, bool approveAll)
    {
        var faults = new Faults();
        (IpAddress, string)[] endpoints = [.. reached.Of(change, zone.Id, except: node.Id)];
        foreach (IpPrefix child in children)
            faults.AddIf("childPrefixes", AddressRules.CheckChild(child, endpoints));
        faults.ThrowIfAny();

        IpPrefix[] allowed = [.. node.AllowedPrefixes.Select(text => IpPrefix.Parse(text)), .. Leases.Of(change, node.Id).ChildPrefixes];
        IReadOnlyList<IpAddress> taken = Leases.TakeAddresses(change, zone, node.Id, addresses, () => presence.ProgressOf(change, zone.Id));
        Leases.TakeChildPrefixes(
            change, zone, node.Id, children,
            prefix => approveAll || allowed.Any(one => one.Length <= prefix.Length && one.Contains(prefix.Address)));
        return [.. taken.Select(address => new IpPrefix(address, address.Size * 8)), .. children];
    }

    // A node asks for everything anew whenever it wants something else. Who asks for the name that it asked for before does not mean the name,
    // so the one that an administrator has given it in the meantime stays.
    private static string NameOf(StoreReader store, StoredZone zone, EnrolmentForm form, StoredNode? before)
    {
        if (before is not null && before.AskedName == form.Name)
            return before.Name;
        if (!Nodes.IsNameTaken(store, zone.Id, form.Name, except: before?.Id ?? Guid.Empty))
            return form.Name;
        return form.IsDefaultName ? Numbered(store, zone, form.Name) : throw Refusal.Conflict(
            "request.name",
            $"Zone {zone.Name} has another node {Values.Show(form.Name)}: choose another name (kedge up --name NAME), or remove that node first.",
            RefusalReason.NameTaken);
    }

    private static string Numbered(StoreReader store, StoredZone zone, string name)
    {
        const int RoomForNumber = 8;
        string stem = name[..Math.Min(name.Length, Values.LongestLabel - RoomForNumber)].TrimEnd('-');
        IReadOnlySet<string> taken = Nodes.NamesFrom(store, zone.Id, stem);
        return Enumerable.Range(2, int.MaxValue - 2).Select(number => string.Create(CultureInfo.InvariantCulture, $"{stem}-{number}"))
            .First(numbered => !taken.Contains(numbered));
    }

    private static JoinToken Redeem(StoreTransaction change, string? presented)
    {
        JoinToken token = CheckToken(change, presented);
        JoinTokens.Use(change, token);
        return token;
    }

    private static JoinToken? TryRedeem(StoreTransaction change, StoredNode known, string? presented)
    {
        if (presented is null || presented.StartsWith($"{known.Token}.", StringComparison.Ordinal))
            return null;
        try
        {
            JoinToken token = JoinTokens.Check(change, presented);
            if (token.ZoneId != known.Zone)
                return null;
            JoinTokens.Use(change, token);
            return token;
        }
        catch (Refusal)
        {
            return null;
        }
    }

    private static StoredZone ZoneOf(StoreTransaction change, EnrolmentForm form, StoredNode? known, JoinToken? token)
    {
        StoredZone zone = Zones.Find(change, known?.Zone ?? token!.ZoneId);
        if (form.Zone is null || form.Zone == zone.Name || (Guid.TryParse(form.Zone, out Guid id) && id == zone.Id))
            return zone;
        throw known is null
            ? Refusal.Forbidden(
                $"The token is for zone {zone.Name}, not for {Values.Show(form.Zone)}: ask for a token of that zone, or name none.",
                RefusalReason.OtherZone)
            : Refusal.Conflict(
                "request.zone",
                $"This machine is node {known.Name} in zone {zone.Name}, and a node is in one zone: leave it first with 'kedge down --leave', or join "
                + $"{Values.Show(form.Zone)} with another --interface.",
                RefusalReason.OtherZone);
    }

    private static bool IsChanged(StoredNode before, StoredNode after) =>
        before.Name != after.Name || before.AskedName != after.AskedName || before.Status != after.Status || before.Ephemeral != after.Ephemeral
        || before.WireGuardKey != after.WireGuardKey
        || !(before.RosenpassHash ?? []).AsSpan().SequenceEqual(after.RosenpassHash)
        || !(before.Certificate ?? []).AsSpan().SequenceEqual(after.Certificate);

    private static bool IsChanged(NodeLeases before, NodeLeases after) =>
        !before.Held.SequenceEqual(after.Held) || !before.Waiting.SequenceEqual(after.Waiting);

    private static void Audit(
        StoreTransaction change, Actor actor, StoredNode? before, bool isNewIdentity, StoredNode node, IReadOnlyList<IpPrefix> wanted)
    {
        string what = $"node {node.Name} ({node.Status}) with {string.Join(", ", wanted)}";
        if (before is null)
            change.Audit(actor, "node.join", node.Id.ToString(), node.Zone, what);
        else if (isNewIdentity)
            change.Audit(actor, "node.replace", node.Id.ToString(), node.Zone, $"{what}, on another machine: it has a new identity key, and proved to have the WireGuard key");
        else
            change.Audit(actor, "node.rejoin", node.Id.ToString(), node.Zone, what);
    }

    private EnrolmentResult ResultOf(StoreReader reader, StoredNode node)
    {
        StoredZone zone = Zones.Find(reader, node.Zone);
        NodeLeases leases = Leases.Of(reader, node.Id);
        return new EnrolmentResult
        {
            NodeId = node.Id,
            Name = node.Name,
            Status = node.Status,
            Ephemeral = node.Ephemeral,
            Reason = certification.ReasonOf(node, leases),
            ZoneId = zone.Id,
            ZoneName = zone.Name,
            ZonePrefixes = zone.PrefixTexts,
            Addresses = [.. leases.Addresses.Select(address => address.ToString())],
            ChildPrefixes = [.. leases.ChildPrefixes.Select(prefix => prefix.ToString())],
            Certificate = node.Certificate is null ? null : Convert.ToBase64String(node.Certificate),
            Authorities = Authority.CertificateTexts,
        };
    }
}
