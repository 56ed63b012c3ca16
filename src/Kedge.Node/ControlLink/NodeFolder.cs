using Kedge.Linux.Files;
using Kedge.Node.Connecting;
using Kedge.Node.Keys;
using Kedge.Protocol;

namespace Kedge.Node.ControlLink;

/// <summary>
/// What one joined interface keeps on disk, in a folder of its own that only its owner may enter. All files are 0600 and are replaced as a
/// whole.
/// </summary>
/// <param name="stateDirectory">The folder of all interfaces.</param>
/// <param name="interfaceName">The interface.</param>
public sealed class NodeFolder(string stateDirectory, string interfaceName)
{
    /// <summary>Where state is kept where nothing else is asked for.</summary>
    public const string DefaultStateDirectory = "/var/lib/kedge";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const string MembershipFile = "link.json";

    /// <summary>The interface.</summary>
    public string InterfaceName => interfaceName;

    /// <summary>The folder of all interfaces.</summary>
    public string StateDirectory => stateDirectory;

    /// <summary>The interface's own folder.</summary>
    public string Path { get; } = System.IO.Path.Combine(stateDirectory, interfaceName);

    /// <summary>The node's keys.</summary>
    public KeyFolder Keys => new(Path);

    /// <summary>What was joined, and with which settings.</summary>
    public string Membership => In(MembershipFile);

    /// <summary>The lock of whoever writes <see cref="Membership"/>.</summary>
    public string MembershipLock => In("link.json.lock");

    /// <summary>The join line by which an ephemeral node comes back.</summary>
    public string JoinLine => In("join.line");

    /// <summary>The node's certificate and those of the authorities above it, PEM.</summary>
    public string Certificate => In(NodeIdentity.CertificateFile);

    /// <summary>The authorities and revocation lists that the node has ever verified, PEM.</summary>
    public string Trust => In(NodeIdentity.TrustFile);

    /// <summary>The cached map.</summary>
    public string Map => In("map.json");

    /// <summary>The generation before.</summary>
    public string PreviousMap => Map + ".previous";

    /// <summary>The certificates that had been admitted when the map was kept.</summary>
    public string Admitted => In("admitted.json");

    /// <summary>The nodes that are known in a network without a controller.</summary>
    public string Members => In("members.json");

    /// <summary>What the node process needs in order to start by itself.</summary>
    public string Node => In("node.json");

    /// <summary>The interfaces that have joined a network, in order of their names.</summary>
    public static IReadOnlyList<string> Joined(string stateDirectory) =>
        !Directory.Exists(stateDirectory) ? [] :
        [
            .. from path in Directory.GetDirectories(stateDirectory)
               where File.Exists(System.IO.Path.Combine(path, MembershipFile))
               orderby path
               select System.IO.Path.GetFileName(path),
        ];

    /// <summary>Makes the folder where it does not exist, and closes it to others.</summary>
    /// <exception cref="UserError">It cannot be made.</exception>
    public void Create()
    {
        try
        {
            Directory.CreateDirectory(stateDirectory);
            Directory.CreateDirectory(Path, OwnerOnly);
            File.SetUnixFileMode(Path, OwnerOnly);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The folder {Path} cannot be made: {e.Message} Run this as root, or choose another one with --state-dir.", e);
        }
    }

    /// <summary>Removes what was known as a member: the map, and who was admitted from it. Other files stay.</summary>
    /// <exception cref="UserError">A file cannot be removed.</exception>
    public void DeleteMap() => Change(() =>
    {
        foreach (string path in (string[])[Map, PreviousMap, Admitted, Members])
            File.Delete(path);
    });

    /// <summary>Makes an empty folder inside of this one, for keys that are to replace the node's once the controller has accepted them.</summary>
    /// <exception cref="UserError">It cannot be made.</exception>
    public NodeFolder CreateSuccessor()
    {
        var successor = new NodeFolder(Path, "successor");
        Change(successor.Delete);
        successor.Create();
        return successor;
    }

    /// <summary>Takes the keys of the successor in place of those that are here, whose certificate goes too, and removes the successor.</summary>
    /// <exception cref="UserError">A file cannot be moved.</exception>
    public void TakeKeys(NodeFolder successor) => Change(() =>
    {
        File.Delete(Certificate);
        foreach (string path in Directory.GetFiles(successor.Path))
            File.Move(path, In(System.IO.Path.GetFileName(path)), overwrite: true);
        successor.Delete();
    });

    /// <summary>Removes everything: keys, certificate, map.</summary>
    public void Delete()
    {
        if (Directory.Exists(Path))
            Directory.Delete(Path, recursive: true);
    }

    /// <summary>The contents of a file; null where it does not exist.</summary>
    /// <exception cref="Linux.LinuxException">It cannot be read.</exception>
    public static byte[]? Read(string path) => PrivateFile.TryRead(path, out byte[]? contents) ? contents : null;

    private void Change(Action change)
    {
        try
        {
            change();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The files of {Path} cannot be changed: {e.Message}", e);
        }
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
