using System.Net.Sockets;
using Kedge.Linux;
using Kedge.Linux.LocalSockets;
using Kedge.Protocol;

namespace Kedge.Node.Uapi;

/// <summary>
/// The socket file that <c>wg</c> looks for, <c>DIRECTORY/INTERFACE.sock</c>, and the right to that name: one process has it at a time. It
/// is removed on disposal.
/// </summary>
public sealed class UapiSocket : IDisposable
{
    /// <summary>Where <c>wg</c> looks for sockets.</summary>
    public const string DefaultDirectory = "/var/run/wireguard";

    private const int Backlog = 128;

    private const UnixFileMode DirectoryMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private readonly TaskCompletionSource _removed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly FileSystemWatcher? _watcher;
    private bool _disposed;

    private UapiSocket(string path, Socket listener)
    {
        Path = path;
        Listener = listener;
        _watcher = Watch();
    }

    /// <summary>The socket's file.</summary>
    public string Path { get; }

    /// <summary>
    /// Completes when somebody else has removed or replaced the file: that is one of the ways to end a device
    /// (<see href="https://www.wireguard.com/xplatform/"/>).
    /// </summary>
    public Task Removed => _removed.Task;

    internal Socket Listener { get; }

    /// <summary>
    /// Makes the socket and listens: who connects from now on waits until a <see cref="UapiServer"/> serves it. The file is 0600 from its
    /// first moment. What a dead process left is replaced.
    /// </summary>
    /// <param name="directory">Made with 0755 where it does not exist.</param>
    /// <param name="interfaceName">The interface's name.</param>
    /// <exception cref="UserError">A living process has the name, or the file cannot be made.</exception>
    public static UapiSocket Listen(string directory, string interfaceName)
    {
        string path = System.IO.Path.Combine(directory, interfaceName + ".sock");
        try
        {
            Directory.CreateDirectory(directory, DirectoryMode);
            return new UapiSocket(path, ListenInPlace(path, interfaceName));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SocketException or LinuxException or ArgumentException)
        {
            throw new UserError(
                $"The configuration socket {path} cannot be made: {e.Message.TrimEnd('.')}. Run this as root, or choose a directory of yours.", e);
        }
    }

    /// <summary>Stops listening and removes the file, if it is still ours.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _watcher?.Dispose();
        if (!Removed.IsCompleted)
            Remove(); // first, so that nobody takes it for what a dead process left
        Listener.Shutdown(SocketShutdown.Both); // a child that is just being started may have a copy, which would listen on
        Listener.Dispose();
    }

    private void Remove()
    {
        try
        {
            File.Delete(Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Its folder is gone, or closed to us by now. Whoever comes next replaces it.
        }
    }

    private static Socket ListenInPlace(string path, string interfaceName)
    {
        try
        {
            return PrivateSocket.Listen(path, Backlog);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            RefuseIfAlive(path, interfaceName);
            File.Delete(path);
            return PrivateSocket.Listen(path, Backlog);
        }
    }

    private static void RefuseIfAlive(string path, string interfaceName)
    {
        // Not blocking: a connect waits for as long as a listener's queue is full.
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressNotAvailable)
        {
            return; // gone meanwhile: 'wg' removes what nobody listens on
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            var file = new FileInfo(path);
            if (!file.Exists && !Directory.Exists(path))
                return; // gone only now
            if (file.Exists && IsEmpty(file))
                return; // nobody listens any more
            throw new UserError($"{path} is no socket. Remove it if nothing needs it.", e);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.WouldBlock)
        {
            throw AlreadyRun("another process", e);
        }
        throw AlreadyRun(Describe(PeerCredentials.Of(probe).ProcessId), null);

        UserError AlreadyRun(string by, Exception? cause) =>
            new($"{interfaceName} is already run by {by}, which listens on {path}. Stop it first, or choose another name.", cause);
    }

    private static bool IsEmpty(FileInfo file)
    {
        try
        {
            return file.Length == 0;
        }
        catch (FileNotFoundException)
        {
            return true;
        }
    }

    private static string Describe(int processId)
    {
        if (processId == 0)
            return "a process of another container";
        try
        {
            return $"process {processId} ({File.ReadAllText($"/proc/{processId}/comm").TrimEnd()})";
        }
        catch (IOException)
        {
            return $"process {processId}";
        }
    }

    private FileSystemWatcher? Watch()
    {
        FileSystemWatcher? watcher = null;
        try
        {
            watcher = new FileSystemWatcher(System.IO.Path.GetDirectoryName(Path)!, System.IO.Path.GetFileName(Path));
            watcher.NotifyFilter = NotifyFilters.FileName;
            watcher.Deleted += (_, _) => _removed.TrySetResult();
            watcher.Renamed += (_, _) => _removed.TrySetResult();
            watcher.EnableRaisingEvents = true;
            if (!File.Exists(Path))
                _removed.TrySetResult();
            return watcher;
        }
        catch (IOException)
        {
            // No inotify instance is left on this machine. The device ends by signal or with its interface all the same.
            watcher?.Dispose();
            return null;
        }
    }
}
