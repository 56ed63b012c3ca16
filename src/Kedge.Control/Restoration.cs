using System.Text;
using Kedge.Control.Pki;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;

namespace Kedge.Control;

/// <summary>
/// Puts a network that lies complete in a folder of its own in place of the one in the data folder. A journal on the disk says what is to be
/// done before it is begun, so that the next process that opens the data folder finishes it, wherever it was interrupted.
/// </summary>
/// <param name="dataDirectory">The data folder, which the caller has locked.</param>
internal sealed class Restoration(string dataDirectory)
{
    private const string Out = "out", In = "in";

    private static readonly string[] s_parts = ["keys", "administrator.token", "store.db-wal", "store.db-shm", "store.db"];

    private readonly string _journal = JournalOf(dataDirectory);

    /// <summary>The folder in which the network to be restored is prepared.</summary>
    public string Incoming { get; } = Path.Combine(dataDirectory, "restoring");

    /// <summary>Whether a restoration was begun and not finished.</summary>
    public static bool IsUnfinished(string dataDirectory) => File.Exists(JournalOf(dataDirectory));

    /// <summary>Makes the folder for the network to be restored, empty.</summary>
    /// <exception cref="UserError">It cannot be made.</exception>
    public void Prepare()
    {
        Discard();
        SecretFile.CreateFolder(Incoming);
        SecretFile.CreateFolder(Path.Combine(Incoming, "keys"));
    }

    /// <summary>Commits to what has been prepared, whose files are on the disk: from now on it can only be finished.</summary>
    /// <param name="former">The name of the folder, in the data folder, that receives what is there.</param>
    /// <exception cref="UserError">The journal cannot be written.</exception>
    public void Begin(string former)
    {
        SecretFile.CreateFolder(Path.Combine(dataDirectory, former));
        PrivateFile.Flush(Path.Combine(Incoming, "keys"));
        PrivateFile.Flush(Incoming);
        WriteJournal(Out, former);
    }

    /// <summary>Finishes a restoration that was begun, or discards one that was only prepared.</summary>
    /// <exception cref="UserError">A file cannot be moved; it is tried again the next time.</exception>
    public void Finish()
    {
        try
        {
            foreach (string _ in Steps())
            {
                // Each is done when it is returned.
            }
            Discard();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or LinuxException)
        {
            throw new UserError($"A restore in {dataDirectory} cannot be finished: {e.Message} It is tried again at the next start.", e);
        }
    }

    /// <summary>Does what is left to do, step by step; whatever is left after any of them can be done later.</summary>
    /// <returns>The part that each step has moved, or the journal.</returns>
    internal IEnumerable<string> Steps()
    {
        if (!File.Exists(_journal))
            yield break;
        (string direction, string former) = ReadJournal();
        if (direction == Out)
        {
            foreach (string part in s_parts.Where(part => Exists(dataDirectory, part)))
            {
                SecretFile.Move(Path.Combine(dataDirectory, part), Path.Combine(dataDirectory, former, part));
                yield return part;
            }
            WriteJournal(In, former);
            yield return "journal";
        }
        foreach (string part in s_parts.Where(part => Exists(Incoming, part)))
        {
            SecretFile.Move(Path.Combine(Incoming, part), Path.Combine(dataDirectory, part));
            yield return part;
        }
        File.Delete(_journal);
        PrivateFile.Flush(dataDirectory);
        yield return "journal";
    }

    private static string JournalOf(string dataDirectory) => Path.Combine(dataDirectory, "restoring.journal");

    private static bool Exists(string folder, string part) => Path.Exists(Path.Combine(folder, part));

    private void WriteJournal(string direction, string former) =>
        SecretFile.Write(_journal, Encoding.UTF8.GetBytes($"{direction} {former}\n"));

    private (string Direction, string Former) ReadJournal() =>
        File.ReadAllText(_journal).Trim().Split(' ') is [Out or In, var former] words && Path.GetFileName(former) == former
            ? (words[0], former)
            : throw new UserError($"{_journal} cannot be read, so that the restore which was interrupted cannot be finished. "
                + $"The network that was restored is in {Incoming}, the former one in the newest folder before-restore-* beside it: "
                + "move what belongs together into place, and delete the journal.");

    private void Discard()
    {
        if (Directory.Exists(Incoming))
            Directory.Delete(Incoming, recursive: true);
    }
}
