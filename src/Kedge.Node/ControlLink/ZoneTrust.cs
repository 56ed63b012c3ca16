using System.Text;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Mesh;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Whom a node believes, and <c>trust.pem</c>, where it keeps that: the authorities and revocation lists that it has ever verified, in PEM.
/// What comes from a controller is added and replaces nothing, so neither a controller that leaves a list out nor a restart brings back
/// what was revoked. One thread at a time.
/// </summary>
public sealed class ZoneTrust
{
    private readonly string _path;
    private readonly VerifiedCertificates _certificates;
    private Sha256Digest _saved;

    private ZoneTrust(string path, NetworkTrust trust, VerifiedCertificates certificates)
    {
        (_path, Current, _certificates) = (path, trust, certificates);
        _saved = trust.Digest;
    }

    /// <summary>Whom the node believes now.</summary>
    public NetworkTrust Current { get; private set; }

    /// <summary>Whether <see cref="Current"/> is on the disk.</summary>
    public bool IsSaved => _saved == Current.Digest;

    /// <summary>Reads what was kept; where there is no file, nobody is believed yet.</summary>
    /// <param name="folder">The node's folder.</param>
    /// <param name="network">The network's identifier, without which the file proves nothing.</param>
    /// <param name="certificates">What has been checked already.</param>
    /// <param name="damaged">Called with the file and the reason when some of it cannot be used.</param>
    public static ZoneTrust Read(NodeFolder folder, Sha256Digest network, VerifiedCertificates certificates, Action<string, string> damaged)
    {
        var trust = NetworkTrust.Empty(network);
        try
        {
            if (NodeFolder.Read(folder.Trust) is { } contents)
            {
                trust = trust.MergePem(Encoding.ASCII.GetString(contents));
                if (trust.Refused is [var refused, ..])
                    damaged(folder.Trust, $"It has a {refused.What} that cannot be used. {refused.Refusal.Sentence()}");
                else if (!trust.KnownAuthorities.Any())
                    damaged(folder.Trust, "It has no authority's certificate in PEM.");
            }
        }
        catch (LinuxException exception)
        {
            damaged(folder.Trust, exception.Message);
        }
        return new ZoneTrust(folder.Trust, trust, certificates);
    }

    /// <summary>What <see cref="Current"/> would be with what a controller or a peer says; nothing is changed.</summary>
    public NetworkTrust With(TrustResource told) => _certificates.Merge(Current, told);

    /// <summary>Adds what a controller or a peer says.</summary>
    /// <returns>Whether somebody is believed or refused who was not before.</returns>
    public bool Merge(TrustResource told)
    {
        Sha256Digest before = Current.Digest;
        Current = With(told);
        return Current.Digest != before;
    }

    /// <summary>Writes the file where it is not what is believed now, and returns when it is on the disk.</summary>
    /// <exception cref="LinuxException">It could not be written; what was there is still there.</exception>
    public void Save()
    {
        if (IsSaved)
            return;
        PrivateFile.Write(_path, Encoding.ASCII.GetBytes(Current.ToPem()));
        _saved = Current.Digest;
    }
}
