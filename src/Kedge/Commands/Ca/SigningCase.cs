using Kedge.Commands.Admin;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Commands.Ca;

/// <summary>
/// A request for a node, as the holder of the master key sees it: a controller's, or a node's own. Nobody is believed: everything is checked
/// that can be checked here, and the rest is shown.
/// </summary>
/// <param name="Request">What is asked for.</param>
/// <param name="Subject">What would be certified; null where the request cannot be read.</param>
/// <param name="Refusal">Why it is refused, in a sentence; null where it can be signed.</param>
internal sealed record SigningCase(SigningRequest Request, NodeSubject? Subject, string? Refusal)
{
    /// <summary>How it is known whose keys these are.</summary>
    public KeyAssurance Assurance { get; init; }

    /// <summary>Certificates that the new one takes the place of, with other keys, another name, or other addresses: they are to be revoked.</summary>
    public IReadOnlyList<NodeCertificate> Replaced { get; init; } = [];

    /// <summary>The request as the node itself wrote it; null where a controller asks.</summary>
    public NodeRequest? OfNode { get; init; }

    /// <summary>Whether the node has a certificate already.</summary>
    public bool IsRenewal { get; private init; }

    /// <summary>Where the node shows its identity key, for somebody who compares.</summary>
    public string WhereKeyIsShown => OfNode is null ? "kedge status" : "kedge cert show";

    /// <summary>Judges a request of a controller.</summary>
    /// <param name="request">The request, with whatever a hostile controller put in it.</param>
    /// <param name="folder">The master, what it has signed before, and whom it has invited.</param>
    /// <param name="terms">By what keys can be known.</param>
    /// <param name="now">The time.</param>
    /// <param name="granted">Tags that whoever signs adds to those that are asked for.</param>
    public static SigningCase Judge(
        SigningRequest request, AuthorityFolder folder, SigningTerms terms, DateTimeOffset now, IReadOnlyCollection<string>? granted = null) =>
        new SigningCase(request, null, null) { IsRenewal = request.Renewal }.Judge(folder, terms, now, granted ?? []);

    /// <summary>Judges a request that a node of a network without a controller has written.</summary>
    /// <inheritdoc cref="Judge(SigningRequest, AuthorityFolder, SigningTerms, DateTimeOffset, IReadOnlyCollection{string})" path="/param"/>
    public static SigningCase Judge(
        NodeRequest request, AuthorityFolder folder, SigningTerms terms, DateTimeOffset now, IReadOnlyCollection<string>? granted = null) =>
        new SigningCase(request.ToSigningRequest(folder.Master.NetworkId), null, null) { OfNode = request }.Judge(folder, terms, now, granted ?? []);

    /// <summary>What the person who signs should see, one row a property.</summary>
    /// <param name="notAfter">How long the certificate would be valid.</param>
    public IEnumerable<(string Name, string Value)> Describe(DateTimeOffset notAfter)
    {
        yield return ("node", $"{Request.Name} ({(IsRenewal ? "is certified already" : "new")})");
        yield return OfNode switch
        {
            null => ("zone", $"{Request.ZoneName} ({Request.ZoneId})"),
            { NetworkId: null } => ("network", "not named by the node"),
            _ => ("network", Request.NetworkId),
        };
        foreach ((string, string) row in Subject is null ? [] : Describe(Subject, notAfter))
            yield return row;
        if (Refusal is not null)
            yield return ("REFUSED", Refusal);
    }

    private SigningCase Judge(AuthorityFolder folder, SigningTerms terms, DateTimeOffset now, IReadOnlyCollection<string> granted)
    {
        string? refusal = Request.NetworkId == folder.Master.NetworkId.ToString()
            ? Read(Request, out NodeSubject? subject)
            : Wrong("network", Request.NetworkId, $"the network of this master is {folder.Master.NetworkId}", out subject);
        refusal ??= CheckHasAddress(subject!, folder, now) ?? subject!.Check();
        if (refusal is not null)
            return this with { Refusal = refusal };
        NodeSubject wanted = subject! with { Tags = [.. subject.Tags.Union(granted)] };
        NodeCertificate[] valid = Valid(folder, wanted.ZoneId);
        NodeCertificate[] replaced = [.. valid.Where(one => (IsSameNode(one, wanted) || one.Name == wanted.Name) && !Says(one, wanted))];
        var assurance = KeyAssurance.None;
        refusal = CheckMaster(folder, now)
            ?? CheckSignature(wanted, folder.Master.NetworkId)
            ?? CheckNetwork(wanted, folder.Master)
            ?? CheckOverlap(wanted, folder, valid.Except(replaced), now)
            ?? terms.Check(this with { Subject = subject }, folder, isCertified: valid.Any(one => Says(one, wanted)), now, out assurance);
        return this with
        {
            Subject = wanted,
            Refusal = refusal ?? CheckSize(wanted),
            Assurance = assurance,
            Replaced = replaced,
            IsRenewal = IsRenewal || valid.Any(one => IsSameNode(one, wanted)),
        };
    }

    private IEnumerable<(string Name, string Value)> Describe(NodeSubject subject, DateTimeOffset notAfter)
    {
        yield return ("identity key", subject.IdentityKey is { } key ? key.Hash.ToString() : "none: a stock WireGuard peer");
        yield return ("WireGuard key", subject.WireGuardKey.ToString());
        if (subject.RosenpassKeyHash is { } hash)
            yield return ("Rosenpass", hash.ToString());
        yield return ("keys belong together", this switch
        {
            { Subject.IdentityKey: null } => "the controller says so; nobody has proved to have the WireGuard key",
            { Request.KeysSignature: null } => "unknown; the identity key has not signed",
            _ => "signed by the identity key",
        });
        yield return ("whose keys", Assurance switch
        {
            KeyAssurance.Expected => "those that --expect names",
            KeyAssurance.Invited => "those of the node that was invited under this name",
            KeyAssurance.Certified => "those that are certified already, for the same name and addresses",
            _ => $"unknown: compare the identity key with what the node itself shows ('{WhereKeyIsShown}' there)",
        });
        yield return ("addresses", string.Join(", ", subject.Addresses));
        yield return ("networks behind it", subject.ChildPrefixes.Count > 0 ? string.Join(", ", subject.ChildPrefixes) : "none");
        yield return ("tags", subject.Tags.Count > 0 ? string.Join(", ", subject.Tags) : "none");
        foreach (NodeCertificate former in Replaced)
            yield return ("revokes", $"{former.Name} ({former.Serial}), identity key {former.IdentityKey?.Hash.ToString() ?? "none"}");
        yield return ("valid until", $"{notAfter:u}");
    }

    private static bool IsSameNode(NodeCertificate certificate, NodeSubject subject) =>
        certificate.WireGuardKey == subject.WireGuardKey || (certificate.IdentityKey is not null && certificate.IdentityKey.Equals(subject.IdentityKey));

    private static bool Says(NodeCertificate certificate, NodeSubject subject) =>
        certificate.Name == subject.Name
        && certificate.WireGuardKey == subject.WireGuardKey
        && Equals(certificate.IdentityKey, subject.IdentityKey)
        && certificate.RosenpassKeyHash == subject.RosenpassKeyHash
        && certificate.Tags.ToHashSet().SetEquals(subject.Tags)
        && certificate.Addresses.ToHashSet().SetEquals(subject.Addresses)
        && certificate.CheckPrefixes([.. subject.Prefixes]) is null;

    // What was signed here for a zone and still holds, or will when the clocks agree.
    private static NodeCertificate[] Valid(AuthorityFolder folder, Guid zone) =>
        [.. folder.Issued.Where(one => one.ZoneId == zone && folder.Trust.VerifyIgnoringDates(one, one.ZoneId) is null)];

    private static string? Read(SigningRequest request, out NodeSubject? subject)
    {
        subject = null;
        if (((IReadOnlyList<string?>)[.. request.Tags, .. request.Addresses, .. request.ChildPrefixes]).Contains(null))
            return "One of its lists has a place with nothing in it.";
        if (!Inputs.IsLabel(request.ZoneName))
            return Wrong("zone's name", request.ZoneName, "it must have 1 to 63 of a-z, 0-9 and inner hyphens", out subject);
        P256PublicKey? identity = null;
        if (request.IdentityKey is { } text && !(Bytes(text) is { } der && P256PublicKey.TryParse(der, out identity)))
            return Wrong("identity key", text, "it must be an ECDSA P-256 key, DER in base64", out subject);
        if (!PublicKey.TryParse(request.WireGuardKey, out PublicKey wireGuardKey))
            return Wrong("WireGuard key", request.WireGuardKey, "it must be 32 bytes in base64", out subject);
        byte[]? rosenpass = request.RosenpassKeyHash is { } hash ? Bytes(hash) : null;
        if (request.RosenpassKeyHash is not null && rosenpass?.Length != Sha256Digest.Size)
            return Wrong("Rosenpass hash", request.RosenpassKeyHash, "it must be 32 bytes in base64", out subject);
        List<IpAddress> addresses = [];
        foreach (string address in request.Addresses)
        {
            if (!IpAddress.TryParse(address, out IpAddress read) || !ReservedPrefixes.IsUsableOverlay(new(read, read.Size * 8)))
                return Wrong("address", address, "it must be an address that a node can have", out subject);
            addresses.Add(read);
        }
        List<IpPrefix> prefixes = [];
        foreach (string prefix in request.ChildPrefixes)
        {
            if (!IpPrefix.TryParse(prefix, out IpPrefix read) || !ReservedPrefixes.IsUsableOverlay(read))
                return Wrong("prefix", prefix, "it must be a prefix that a node can have behind it: no default route and no reserved block", out subject);
            prefixes.Add(read);
        }
        subject = new NodeSubject
        {
            Name = request.Name,
            ZoneId = request.ZoneId,
            IdentityKey = identity,
            WireGuardKey = wireGuardKey,
            RosenpassKeyHash = rosenpass is null ? null : Sha256Digest.FromBytes(rosenpass),
            Tags = request.Tags,
            Addresses = addresses,
            ChildPrefixes = prefixes,
        };
        return null;
    }

    private string? CheckSignature(NodeSubject subject, Sha256Digest network)
    {
        if (OfNode is not null)
        {
            return OfNode.IsSigned(subject.IdentityKey!)
                ? null
                : "The signature of the node's keys is not its identity key's: on the way from the node, somebody has exchanged a key or the network.";
        }
        if (subject.IdentityKey is null)
            return null;
        if (Request.KeysSignature is null)
            return "The node's identity key has not signed its other keys. Have the node join again with a newer version of Kedge.";
        var keys = EnrolmentTranscript.OfKeys(network.ToArray(), Request.IdentityKey!, Request.WireGuardKey, Request.RosenpassKeyHash);
        return keys.IsSignedBy(subject.IdentityKey, Request.KeysSignature)
            ? null
            : "The signature of the node's keys is not its identity key's: the controller, or somebody before it, has exchanged a key.";
    }

    private static string? CheckMaster(AuthorityFolder folder, DateTimeOffset now)
    {
        AuthorityCertificate master = folder.Master;
        if (now < master.NotBefore)
            return $"The master's certificate is valid from {master.NotBefore:u}, and this machine's clock says {now:u}. Set the clock.";
        return now <= master.NotAfter ? null
            : $"The master's certificate was valid until {master.NotAfter:u}, and nobody believes what is signed after that. Set the clock if it is wrong.";
    }

    // A node may ask for no address; whoever signs knows which are free.
    private string? CheckHasAddress(NodeSubject subject, AuthorityFolder folder, DateTimeOffset now)
    {
        if (OfNode is null || subject.Addresses.Count > 0)
            return null;
        NodeCertificate[] valid = Valid(folder, subject.ZoneId);
        string free = valid.FirstOrDefault(one => IsSameNode(one, subject)) is { } present
            ? $" It has {string.Join(" and ", present.Addresses)} now."
            : FreeAddress.Find(folder.Master.AddressBlocks, [.. valid.Where(one => one.NotAfter >= now).SelectMany(one => one.Prefixes)]) is { IsNone: false } address
                ? $" {address} is free."
                : "";
        return $"It asks for no address. Give it one with --ip ADDRESS.{free}";
    }

    private static string? CheckNetwork(NodeSubject subject, AuthorityCertificate master)
    {
        IpPrefix foreign = subject.Prefixes.FirstOrDefault(prefix => !master.AddressBlocks.Contains(AddressBlocks.Of([prefix])));
        return foreign.IsNone ? null : $"{Show(foreign)} is not in this network, whose prefixes are {master.AddressBlocks}.";
    }

    private static string? CheckSize(NodeSubject subject)
    {
        IpPrefix[] prefixes = [.. subject.Prefixes];
        return prefixes.Length <= AddressBlocks.MaximumCount ? null
            : $"It has {prefixes.Length} addresses and prefixes, and a certificate at most {AddressBlocks.MaximumCount}.";
    }

    private static string Show(IpPrefix prefix) => prefix.Length == prefix.Address.Size * 8 ? prefix.Address.ToString() : prefix.ToString();

    // A controller that could have one address certified for two nodes could lead one's traffic to the other.
    private static string? CheckOverlap(NodeSubject subject, AuthorityFolder folder, IEnumerable<NodeCertificate> others, DateTimeOffset now)
    {
        foreach (NodeCertificate other in others.Where(one => one.NotAfter >= now && !IsSameNode(one, subject)))
        {
            IpPrefix taken = other.Prefixes.FirstOrDefault(prefix => subject.Prefixes.Any(one => ReservedPrefixes.Overlap(prefix, one)));
            if (!taken.IsNone)
                return $"{taken} is certified for {other.Name} until {other.NotAfter:u}. If that node is gone: kedge ca revoke --ca {folder.Path} {folder.FileOf(other)}";
        }
        return null;
    }

    private static string Wrong(string what, string value, string right, out NodeSubject? subject)
    {
        const int Longest = 100;
        subject = null;
        string shown = value.Length <= Longest ? value : value[..Longest] + "…";
        return $"Its {what} is '{TextTable.Clean(shown)}', but {right}.";
    }

    private static byte[]? Bytes(string base64)
    {
        byte[] bytes = new byte[base64.Length];
        return Convert.TryFromBase64String(base64, bytes, out int length) ? bytes[..length] : null;
    }
}
