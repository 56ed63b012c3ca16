using Kedge.Protocol;

namespace Kedge.Node.ControlLink;

/// <summary>What one joined interface has while its processes run: locks, a socket, logs. Gone after a restart of the machine.</summary>
/// <param name="runDirectory">The folder of all interfaces.</param>
/// <param name="interfaceName">The interface.</param>
public sealed class RunFolder(string runDirectory, string interfaceName)
{
    /// <summary>Where it is where nothing else is asked for.</summary>
    public const string DefaultRunDirectory = "/run/kedge";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>The interface's own folder.</summary>
    public string Path { get; } = System.IO.Path.Combine(runDirectory, interfaceName);

    /// <summary>The lock of <c>kedge up</c>.</summary>
    public string UpLock => In("up.lock");

    /// <summary>The lock of the control link.</summary>
    public string LinkLock => In("link.lock");

    /// <summary>Where the control link tells its state to whoever connects.</summary>
    public string StatusSocket => In("link.sock");

    /// <summary>The log of <c>kedge up</c> when it runs in the background.</summary>
    public string UpLog => In("up.log");

    /// <summary>What the node process tells when it runs in the background.</summary>
    public string NodeLog => In("node.log");

    /// <summary>What the control link tells when it runs in the background.</summary>
    public string LinkLog => In("link.log");

    /// <summary>The logs of what runs in the background. Each may have a predecessor, <c>FILE.1</c>.</summary>
    public IReadOnlyList<string> Logs => [UpLog, LinkLog, NodeLog];

    /// <summary>Makes the folder where it does not exist.</summary>
    /// <exception cref="UserError">It cannot be made.</exception>
    public void Create()
    {
        try
        {
            Directory.CreateDirectory(runDirectory);
            Directory.CreateDirectory(Path, OwnerOnly);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The folder {Path} cannot be made: {e.Message} Run this as root, or choose another one with --run-dir.", e);
        }
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
