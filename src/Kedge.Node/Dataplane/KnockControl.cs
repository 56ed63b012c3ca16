using Kedge.Linux;
using Kedge.Node.Connecting;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Knock;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.Dataplane;

/// <summary>
/// Has the device introduce itself to others with the certificate of its folder, and answer those that do, and tells those that watch it how that
/// ends. Owned by the control thread.
/// </summary>
/// <param name="wireGuard">The device; of it only what any thread may read.</param>
/// <param name="protocol">The protocol; the caller's.</param>
/// <param name="publish">Tells those that watch; must return at once.</param>
/// <param name="log">Receives why the device cannot introduce itself.</param>
public sealed class KnockControl(WireGuardDevice wireGuard, KnockProtocol protocol, Action<DeviceEvent> publish, ILogger log)
{
    private const string NotInNetwork = "This interface is in no network whose nodes introduce themselves: 'kedge up --network' brings it into one.";

    private PublicKey? _key;
    private string? _folder;

    /// <summary>Whether the device introduces itself.</summary>
    public bool IsOn { get; private set; }

    /// <summary>Has it introduce itself, or not, from now on. The folder is read again.</summary>
    /// <param name="folder">The folder with the certificate and those that are trusted; null for none.</param>
    public void Use(string? folder)
    {
        Instant now = BootClock.Now;
        protocol.SetTime(now, DateTimeOffset.UtcNow);
        (IsOn, _folder, _key) = (false, folder, wireGuard.Identity?.PublicKey);
        KnockCredentials? credentials = null;
        NodeVerifier? verifier = null;
        try
        {
            if (folder is not null && wireGuard.Identity is { } identity)
            {
                verifier = new NodeVerifier(folder);
                NodeCertificate own = verifier.Own;
                credentials = new KnockCredentials(own.NetworkId, new LocalIdentity(identity.PrivateKey), own.Der.Span);
            }
        }
        catch (UserError error)
        {
            Log.KnocksOff(log, error.Message);
        }
        IsOn = credentials is not null;
        protocol.Use(now, credentials, credentials is null ? null : new PeerAdmission(wireGuard, verifier!));
        Publish();
    }

    /// <summary>Has the device introduce itself to whoever is at an endpoint.</summary>
    public void Knock(Endpoint at)
    {
        if (IsOn)
            protocol.Knock(BootClock.Now, at);
        else
            publish(new KnockEnd(at, default, NotInNetwork, default));
        Publish();
    }

    /// <summary>Has the device introduce itself again to a peer that may have forgotten it, if it introduces itself at all.</summary>
    /// <param name="targets">Where the peer may be.</param>
    public void Knock(IEnumerable<Endpoint> targets)
    {
        if (!IsOn)
            return;
        foreach (Endpoint at in targets)
            protocol.Knock(BootClock.Now, at);
        Publish();
    }

    /// <summary>Does what is due now.</summary>
    public void Poll()
    {
        if (_folder is null)
            return;
        if (wireGuard.Identity?.PublicKey != _key)
            Use(_folder);
        protocol.SetTime(BootClock.Now, DateTimeOffset.UtcNow);
        Publish();
    }

    private void Publish()
    {
        while (protocol.TryTakeOutcome(out KnockOutcome outcome))
        {
            bool isAccepted = outcome.Refusal.IsAccepted;
            publish(new KnockEnd(
                outcome.Asked, outcome.Remote, isAccepted ? null : outcome.Refusal.Sentence(),
                isAccepted && outcome.Certificate is { } certificate ? certificate.Der : default));
        }
    }

    /// <summary>Admits what the files of the node's folder say may be believed, and what has nothing of another peer's.</summary>
    private sealed class PeerAdmission(WireGuardDevice wireGuard, NodeVerifier verifier) : IPeerAdmission
    {
        public CertificateRefusal? Verify(NodeCertificate certificate, DateTimeOffset time) =>
            verifier.Trust.Verify(certificate, verifier.Own.ZoneId, time);

        public bool IsTaken(NodeCertificate certificate) =>
            certificate.WireGuardKey == verifier.Own.WireGuardKey
            || certificate.Prefixes.Any(prefix => verifier.Own.Prefixes.Any(own => ReservedPrefixes.Overlap(own, prefix)))
            || certificate.Prefixes.Any(prefix =>
                wireGuard.AllowedIps.Find(prefix.Address) is { } owner && owner.PublicKey != certificate.WireGuardKey);
    }
}
