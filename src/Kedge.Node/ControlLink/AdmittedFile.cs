using System.Text.Json;
using System.Text.Json.Serialization;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Mesh;

namespace Kedge.Node.ControlLink;

/// <summary>
/// The certificates that are admitted, on disk: a node that was admitted before a restart is still known after it, though its certificate
/// has expired or the controller has replaced its record by one that is refused. No secrets are in it, and nothing in it is trusted: each
/// certificate is verified when it is used. One thread at a time.
/// </summary>
/// <param name="folder">The node's folder.</param>
public sealed class AdmittedFile(NodeFolder folder)
{
    /// <summary>The most bytes of certificates that are kept: as many as a map may have.</summary>
    private const int MaximumBytes = NetworkMap.MaximumBytes;

    private Sha256Digest? _written;

    /// <summary>Reads the certificates, by node; empty if there are none or the file is damaged.</summary>
    /// <param name="damaged">Called with the file and the reason when some of it cannot be used.</param>
    public IReadOnlyDictionary<Guid, NodeCertificate> Read(Action<string, string> damaged)
    {
        Dictionary<Guid, NodeCertificate> certificates = [];
        try
        {
            if (NodeFolder.Read(folder.Admitted) is not { } json)
                return certificates;
            foreach ((Guid node, byte[]? der) in JsonSerializer.Deserialize(json, AdmittedFileJson.Default.DictionaryGuidByteArray) ?? [])
            {
                if (NodeCertificate.TryParse(der, out NodeCertificate? certificate, out CertificateRefusal refusal))
                    certificates[node] = certificate;
                else
                    damaged(folder.Admitted, $"The certificate of node {node} cannot be used. {refusal.Sentence()}");
            }
        }
        catch (Exception e) when (e is LinuxException or JsonException)
        {
            damaged(folder.Admitted, e.Message);
        }
        return certificates;
    }

    /// <summary>Writes the certificates if they are not those that were written last, and returns when they are on the disk.</summary>
    /// <param name="admitted">The admitted nodes.</param>
    /// <param name="map">
    /// The map that is kept beside them. If there are more certificates than may be kept, those that are not in the map come first.
    /// </param>
    /// <exception cref="LinuxException">They could not be written; what was there is still there.</exception>
    public void Write(IEnumerable<ZonePeer> admitted, NetworkMap map)
    {
        var kept = new Dictionary<Guid, byte[]>();
        long length = 0;
        foreach (ZonePeer peer in admitted.OrderBy(peer => IsIn(map, peer) ? 1 : 0).ThenBy(peer => peer.Id))
        {
            length += peer.Certificate.Der.Length;
            if (length > MaximumBytes)
                break;
            kept[peer.Id] = peer.Certificate.Der.ToArray();
        }
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(kept, AdmittedFileJson.Default.DictionaryGuidByteArray);
        var digest = Sha256Digest.Of(json);
        if (digest == _written)
            return;
        PrivateFile.Write(folder.Admitted, json);
        _written = digest;
    }

    private static bool IsIn(NetworkMap map, ZonePeer peer) =>
        map.Peers.TryGetValue(peer.Id, out MapPeer? record) && record.Certificate.Span.SequenceEqual(peer.Certificate.Der.Span);
}

[JsonSerializable(typeof(Dictionary<Guid, byte[]>))]
internal sealed partial class AdmittedFileJson : JsonSerializerContext;
