using System.Text.Json;
using Kedge.Control.Pki;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;

namespace Kedge.Commands.Ca;

/// <summary>The folder <c>invitations</c> beside a master key: a file of mode 0600 for each name that was ever invited.</summary>
internal sealed class InvitationFolder(string path)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Keeps a new invitation, in place of an earlier one of the same name.</summary>
    /// <exception cref="UserError">It cannot be written.</exception>
    public void Add(InvitationRecord record)
    {
        try
        {
            Directory.CreateDirectory(path, OwnerOnly);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The folder {path} cannot be made: {e.Message}", e);
        }
        SecretFile.Write(FileOf(record.Name), JsonSerializer.SerializeToUtf8Bytes(record, InvitationJson.Default.InvitationRecord));
    }

    /// <summary>The invitation of a name; null where there was none.</summary>
    /// <param name="name">The name: a DNS label.</param>
    /// <exception cref="UserError">Its file cannot be read.</exception>
    public InvitationRecord? Find(string name)
    {
        try
        {
            return PrivateFile.TryRead(FileOf(name), out byte[]? json) ? JsonSerializer.Deserialize(json, InvitationJson.Default.InvitationRecord) : null;
        }
        catch (Exception e) when (e is LinuxException or JsonException)
        {
            throw new UserError($"{FileOf(name)} cannot be read. Invite the node again: kedge ca invite {name}", e);
        }
    }

    /// <summary>Notes that an invitation is used, and forgets its secret. To be done before anything that is signed for it is kept.</summary>
    /// <exception cref="UserError">It cannot be written.</exception>
    public void Use(InvitationRecord record, string proof, DateTimeOffset now) =>
        Add(record with { Secret = null, UsedAt = now, Proof = proof });

    private string FileOf(string name) => Path.Combine(path, name + ".json");
}
