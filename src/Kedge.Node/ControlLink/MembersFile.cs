using System.Text.Json;
using System.Text.Json.Serialization;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Discovery;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// The nodes of a network without a controller that are worth knowing after a restart, on disk: the certificate and the record of each. No secrets
/// are in it, and nothing in it is trusted: all of it is signed, and verified when it is used. One thread at a time.
/// </summary>
/// <param name="path">The file.</param>
/// <param name="log">Receives what cannot be used.</param>
internal sealed class MembersFile(string path, ILogger log)
{
    /// <summary>How many nodes are kept: all anchors that there can be, and as many others.</summary>
    public const int Capacity = 2 * AnchorCount;

    private const int AnchorCount = 64;

    private readonly Dictionary<NodeId, MemberKept> _members = [];
    private bool _isWritten = true;

    /// <summary>Reads the file.</summary>
    public IReadOnlyList<(NodeCertificate Certificate, NodeRecord Record)> Read()
    {
        List<(NodeCertificate, NodeRecord)> members = [];
        try
        {
            byte[] json = NodeFolder.Read(path) ?? "[]"u8.ToArray();
            foreach (KeptMember kept in (JsonSerializer.Deserialize(json, MembersFileJson.Default.ListKeptMember) ?? []).OfType<KeptMember>())
            {
                if (NodeCertificate.TryParse(kept.Certificate, out NodeCertificate? certificate, out _)
                    && NodeRecord.TryRead(kept.Record, out NodeRecord? record))
                {
                    members.Add((certificate, record));
                    _members[record.Node] = new MemberKept(certificate, record, kept.IsAnchor);
                }
            }
        }
        catch (Exception e) when (e is LinuxException or JsonException)
        {
            Log.FileNotUsed(log, path, e.Message); // the others tell it all again
        }
        return members;
    }

    /// <summary>Has a node kept from the next <see cref="Write"/> on, in place of what was kept of it.</summary>
    public void Keep(MemberKept member)
    {
        if (_members.Count >= Capacity && !_members.ContainsKey(member.Record.Node))
        {
            MemberKept least = _members.Values.MinBy(kept => (kept.IsAnchor, kept.Record.Sequence))!;
            if (least.IsAnchor && !member.IsAnchor)
                return;
            _members.Remove(least.Record.Node);
        }
        _members[member.Record.Node] = member;
        _isWritten = false;
    }

    /// <summary>Writes the file if there is something new, and returns when it is on the disk.</summary>
    /// <exception cref="LinuxException">It could not be written; what was there is still there.</exception>
    public void Write()
    {
        if (_isWritten)
            return;
        List<KeptMember> kept =
        [
            .. _members.Values.Select(member => new KeptMember(
                member.Certificate.Der.ToArray(), member.Record.Bytes.ToArray(), member.IsAnchor)),
        ];
        PrivateFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(kept, MembersFileJson.Default.ListKeptMember));
        _isWritten = true;
    }
}

/// <summary>A node, as it is kept.</summary>
/// <param name="Certificate">Its certificate, DER.</param>
/// <param name="Record">Its record.</param>
/// <param name="IsAnchor">Whether it was an anchor.</param>
internal sealed record KeptMember(byte[] Certificate, byte[] Record, bool IsAnchor);

[JsonSerializable(typeof(List<KeptMember>))]
internal sealed partial class MembersFileJson : JsonSerializerContext;
