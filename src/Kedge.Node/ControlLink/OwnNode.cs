using System.Globalization;
using Kedge.Linux;
using Kedge.Node.Keys;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Node.ControlLink;

/// <summary>
/// What this node is in its zone: what it has joined, its certificate and its keys. A change is kept on disk, and one that cannot be kept is a
/// problem. Reads on any thread, changes one at a time.
/// </summary>
/// <param name="folder">The node's folder.</param>
/// <param name="membership">What it has joined.</param>
/// <param name="certificate">Its certificate.</param>
/// <param name="keys">Its keys; stay the caller's.</param>
/// <param name="problems">Receives write failures.</param>
internal sealed class OwnNode(NodeFolder folder, Membership membership, CertificateFile certificate, NodeKeys keys, Problems problems)
{
    private volatile Membership _membership = membership;
    private volatile CertificateFile _certificate = certificate;

    /// <summary>What was joined.</summary>
    public Membership Membership => _membership;

    /// <summary>The node's certificate.</summary>
    public CertificateFile Certificate => _certificate;

    /// <summary>Whether it relays: it is asked to, and its certificate allows it.</summary>
    public bool IsRelay => _membership.Settings.Relay && _certificate.Node.MayRelay;

    /// <summary>By what its device opens a stream to the controller.</summary>
    public StreamAccess StreamAccess
    {
        get
        {
            IReadOnlyList<ControllerAddress> addresses = _membership.ControllerAddresses;
            return new StreamAccess(
                [.. addresses.Select(NameOf).OfType<EndpointName>().Take(StreamAccess.MostServers)],
                [.. addresses.Take(1).SelectMany(first => first.OtherPins.Prepend(first.Pin)).Take(StreamAccess.MostPins)],
                Path.GetFullPath(folder.Path));

            static EndpointName? NameOf(ControllerAddress address) =>
                EndpointName.TryParse(string.Create(CultureInfo.InvariantCulture, $"{Bracketed(address.Url.IdnHost)}:{address.Url.Port}"));

            static string Bracketed(string host) => host.Contains(':', StringComparison.Ordinal) && !host.StartsWith('[') ? $"[{host}]" : host;
        }
    }

    /// <summary>Its keys.</summary>
    public NodeKeys Keys => keys;

    /// <summary>
    /// What the node has that its certificate does not say: its Rosenpass keys, which are made here where it joined before there were any.
    /// Blocks for that.
    /// </summary>
    /// <exception cref="UserError">The keys cannot be read or written.</exception>
    public CertificateRenewal MakeRenewal()
    {
        Sha256Digest rosenpass = RosenpassKeys.Open(folder.Keys);
        if (_certificate.Node.RosenpassKeyHash == rosenpass)
            return new CertificateRenewal();
        string hash = Convert.ToBase64String(rosenpass.ToArray());
        var transcript = EnrolmentTranscript.OfKeys(
            Sha256Digest.Parse(_membership.Network).ToArray(), keys.IdentityPublicKey.ToString(), keys.WireGuardPublicKey.ToString(), hash);
        return new CertificateRenewal(hash, transcript.Sign(keys.Identity));
    }

    /// <summary>Checks whether a certificate may take the place of the node's own.</summary>
    /// <param name="der">The certificate.</param>
    /// <param name="trust">Whom to believe.</param>
    /// <param name="certificate">The certificate as far as it could be read.</param>
    /// <returns>Null if it is the node's present one, or one for its keys that is valid now.</returns>
    public CertificateRefusal? Check(ReadOnlySpan<byte> der, NetworkTrust trust, out NodeCertificate? certificate)
    {
        if (!NodeCertificate.TryParse(der, out certificate, out CertificateRefusal unreadable))
            return unreadable;
        if (certificate.Fingerprint == _certificate.Node.Fingerprint)
            return null;
        return certificate.CheckKeys(keys.IdentityPublicKey, keys.WireGuardPublicKey, RosenpassKeys.TryRead(folder.Keys))
            ?? trust.Verify(certificate, _membership.ZoneId, DateTimeOffset.UtcNow);
    }

    /// <summary>Whether a certificate can be read and is not older than the node's own.</summary>
    public bool IsNewer(ReadOnlySpan<byte> der) =>
        NodeCertificate.TryParse(der, out NodeCertificate? certificate, out _) && certificate.NotBefore >= _certificate.Node.NotBefore;

    /// <summary>What this node is to those who admit peers to it.</summary>
    /// <param name="underlay">Addresses by which the network below the overlay is reached.</param>
    /// <param name="foreign">What other overlays of this machine have.</param>
    public AdmissionContext ToContext(IReadOnlyCollection<IpAddress> underlay, IReadOnlyCollection<ForeignPrefix> foreign) => new()
    {
        Zone = _membership.ZoneId,
        WireGuardKey = keys.WireGuardPublicKey,
        Prefixes = _certificate.Node.Prefixes,
        Underlay = underlay,
        Foreign = foreign,
    };

    /// <summary>Takes a new certificate, which was checked.</summary>
    /// <returns>Whether the node has other prefixes than before.</returns>
    public bool Use(CertificateFile renewed)
    {
        bool samePrefixes = renewed.Node.AddressBlocks.Equals(_certificate.Node.AddressBlocks);
        _certificate = renewed;
        Change(
            "certificate",
            membership => membership with
            {
                Name = renewed.Node.Name,
                Addresses = renewed.Addresses,
                ChildPrefixes = renewed.ChildPrefixes,
                Reason = membership.Settings.ChildPrefixes.Except(renewed.ChildPrefixes).Any() ? membership.Reason : null,
            },
            () => renewed.Write(folder.Certificate));
        return !samePrefixes;
    }

    /// <summary>Takes the pins by which the controller is known from now on; it was known by an earlier one when it said so.</summary>
    /// <param name="pins">The pins, base64url, that of its present authority first. What is no pin changes nothing.</param>
    public void UsePins(IReadOnlyList<string> pins)
    {
        IEnumerable<string> known = [_membership.Pin, .. _membership.OtherPins ?? []];
        if (pins.Count is 0 or > JoinLine.MaximumPins || pins.SequenceEqual(known) || !pins.All(pin => Sha256Digest.TryParse(pin, out _)))
            return;
        Change("pin of the controller", membership => membership with { Pin = pins[0], OtherPins = [.. pins.Skip(1)] });
    }

    /// <summary>
    /// Takes the addresses at which the controller is from now on. Those that were known stay behind them, in case none of these leads there.
    /// </summary>
    /// <param name="urls">The addresses, best first. What is none changes nothing.</param>
    public void UseControllers(IReadOnlyList<string> urls)
    {
        Membership changed = _membership.WithControllers(urls);
        if (changed.Controller == _membership.Controller && (changed.OtherControllers ?? []).SequenceEqual(_membership.OtherControllers ?? []))
            return;
        Change("address of the controller", membership => membership.WithControllers(urls));
    }

    /// <summary>Notes whether the controller has this node.</summary>
    /// <param name="end">Why it does not, as a sentence; null where it does.</param>
    public void NoteMembership(string? end)
    {
        bool isRemoved = _membership.Status == Membership.Removed;
        if (end is null ? !isRemoved : isRemoved && _membership.Reason == end)
            return;
        string status = end is null ? Membership.Active : Membership.Removed;
        Change("membership status", membership => membership with { Status = status, Reason = end });
    }

    // Settings are others' to change, so what is on disk keeps its own.
    private void Change(string what, Func<Membership, Membership> change, Action? write = null)
    {
        _membership = change(_membership);
        try
        {
            write?.Invoke();
            Membership.Change(folder, present => present is null ? _membership : change(present));
            problems.Set(what, null);
        }
        catch (Exception exception) when (exception is LinuxException or UserError)
        {
            problems.Set(what, $"The new {what} could not be kept: {exception.Message}.");
        }
    }
}
