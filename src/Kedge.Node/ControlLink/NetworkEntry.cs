using System.Text;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Node.Keys;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Mesh;

namespace Kedge.Node.ControlLink;

/// <summary>What a node enters a network without a controller with, as files that a person names.</summary>
/// <param name="Name">What the network is called on this machine.</param>
/// <param name="Authority">The master's certificate, PEM, and its revocation list where there is one.</param>
/// <param name="Certificate">The node's certificate, PEM, the node's own first.</param>
/// <param name="Keys">The folder with its keys.</param>
public sealed record NetworkFiles(string Name, string Authority, string Certificate, string Keys);

/// <summary>Enters a network without a controller: the files are checked, and copied into the node's folder.</summary>
public static class NetworkEntry
{
    /// <summary>Enters, or takes new files of the same network.</summary>
    /// <param name="folder">The node's folder, which exists.</param>
    /// <param name="files">What to enter with.</param>
    /// <param name="settings">What a person has asked for.</param>
    /// <returns>What was entered, which is on the disk.</returns>
    /// <exception cref="UserError">A file cannot be used, or the interface is in another network.</exception>
    public static Membership Enter(NodeFolder folder, NetworkFiles files, NodeSettings settings)
    {
        try
        {
            return Enter(folder, files, settings, Membership.Read(folder));
        }
        catch (LinuxException e)
        {
            throw new UserError($"The network '{files.Name}' cannot be entered: {e.Message}.", e);
        }
    }

    private static Membership Enter(NodeFolder folder, NetworkFiles files, NodeSettings settings, Membership? before)
    {
        string authority = ReadText(files.Authority), own = ReadText(files.Certificate);
        if (Pem.Read(authority, Pem.Certificate) is not [var first, ..] || !AuthorityCertificate.TryParse(first, out AuthorityCertificate? master, out _) || !master.IsMaster)
            throw new UserError($"{files.Authority} has no certificate of a network's master: give the master.pem of 'kedge ca init'.");
        if (Pem.Read(own, Pem.Certificate) is not [var leaf, ..] || !NodeCertificate.TryParse(leaf, out NodeCertificate? node, out _))
            throw new UserError($"{files.Certificate} does not begin with a node's certificate: give what 'kedge ca sign' wrote for this node.");
        if (before is not null && (before.HasController || before.Network != master.NetworkId.ToString()))
        {
            throw new UserError(
                $"{folder.InterfaceName} is in another network, of {(before.HasController ? before.Controller : $"'{before.ZoneName}'")}. "
                + $"Choose another interface with --interface, or leave that one first with 'kedge down --interface {folder.InterfaceName} --leave'.");
        }
        // What was revoked once stays so, whatever the files leave out.
        string kept = before is not null && NodeFolder.Read(folder.Trust) is { } contents ? Encoding.ASCII.GetString(contents) : "";
        NetworkTrust trust = NetworkTrust.Empty(master.NetworkId).MergePem(kept).MergePem(authority).MergePem(own);
        Guid zone = NetworkZone.IdOf(master.NetworkId);
        if (trust.Verify(node, zone, DateTimeOffset.UtcNow) is { } refusal)
            throw new UserError($"The certificate in {files.Certificate} is not good in this network. {refusal.Sentence()}");
        CopyKeys(new KeyFolder(files.Keys), folder.Keys, node, files);
        new CertificateFile(node, [.. trust.KnownAuthorities.Select(one => one.Der.ToArray())]).Write(folder.Certificate);
        PrivateFile.Write(folder.Trust, Encoding.ASCII.GetBytes(trust.ToPem()));
        var certificate = new CertificateFile(node, []);
        var membership = new Membership
        {
            Controller = "",
            Network = master.NetworkId.ToString(),
            Pin = "",
            Settings = settings,
            Status = Membership.Active,
            Name = node.Name,
            IdentityKeyHash = node.IdentityKey?.Hash.ToString(),
            NodeId = OwnMap.IdOf(node),
            ZoneId = zone,
            ZoneName = files.Name,
            ZonePrefixes = master.AddressBlocks.Equals(AddressBlocks.All) ? [] : [.. master.AddressBlocks.Prefixes.Select(prefix => prefix.ToString())],
            Addresses = certificate.Addresses,
            ChildPrefixes = certificate.ChildPrefixes,
        };
        membership.Write(folder);
        return membership;
    }

    private static void CopyKeys(KeyFolder from, KeyFolder to, NodeCertificate node, NetworkFiles files)
    {
        if (!File.Exists(from.IdentityKey) || !File.Exists(from.WireGuardKey))
            throw new UserError($"{files.Keys} is not a folder with a node's keys: give the one that 'kedge cert request' made.");
        using (NodeKeys keys = NodeKeys.Open(from, wireGuardKeyFile: null))
        {
            if (node.CheckKeys(keys.IdentityPublicKey, keys.WireGuardPublicKey) is not null)
                throw new UserError($"The certificate in {files.Certificate} is for other keys than those in {files.Keys}.");
        }
        (string From, string To)[] pairs =
        [
            (from.IdentityKey, to.IdentityKey), (from.WireGuardKey, to.WireGuardKey),
            (from.RosenpassKey, to.RosenpassKey), (from.RosenpassPublicKey, to.RosenpassPublicKey),
        ];
        foreach ((string source, string destination) in pairs)
            if (PrivateFile.TryRead(source, out byte[]? key))
                PrivateFile.Write(destination, key);
    }

    private static string ReadText(string path) => NodeFolder.Read(path) is { } contents
        ? Encoding.ASCII.GetString(contents)
        : throw new UserError($"There is no file {path}.");
}
