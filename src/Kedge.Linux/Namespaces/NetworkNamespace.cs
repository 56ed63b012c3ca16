using System.Globalization;
using System.Runtime.InteropServices;
using Kedge.Threading;
using Calls = Kedge.Linux.Namespaces.NamespaceCalls;

namespace Kedge.Linux.Namespaces;

/// <summary>
/// A named network namespace, the same thing that <c>ip netns</c> shows and makes: a bind mount of a namespace on
/// <c>/run/netns/NAME</c>. An object of this class is only the name; it holds nothing open and needs no disposal. The namespace lives until
/// <see cref="Delete"/>, and as long after that as a process or a socket is inside. Any thread may use it. Everything here needs root.
/// </summary>
public sealed class NetworkNamespace
{
    /// <summary>Where named namespaces are mounted.</summary>
    public const string Folder = "/run/netns";

    private NetworkNamespace(string name) => Name = name;

    /// <summary>The name, a file's name below <see cref="Folder"/>.</summary>
    public string Name { get; }

    /// <summary>The file that stands for the namespace.</summary>
    public string Path => $"{Folder}/{Name}";

    /// <summary>Makes a namespace. Its loopback interface is down, as the kernel makes it.</summary>
    /// <exception cref="ArgumentException">The name is no plain file name.</exception>
    /// <exception cref="LinuxException">The namespace exists already (EEXIST), or this process may not make one (EPERM).</exception>
    public static NetworkNamespace Create(string name)
    {
        var created = new NetworkNamespace(Checked(name));
        Directory.CreateDirectory(Folder);
        using (LockFolder())
        {
            ShareFolder();
            using (OpenFile(created.Path, Calls.OpenReadOnly | Calls.OpenCreate | Calls.OpenExclusive))
            {
                // Only the place to mount on.
            }
        }
        try
        {
            DedicatedThread.Run($"inside {name}", () =>
            {
                Check(Calls.Unshare(Calls.CloneNewNetwork), "unshare", name);
                Check(Calls.Mount("/proc/thread-self/ns/net", created.Path, null, Calls.MountBind, 0), "mount", created.Path);
            });
        }
        catch (LinuxException)
        {
            Check(Calls.Unlink(created.Path), "unlink", created.Path);
            throw;
        }
        return created;
    }

    /// <summary>The namespace of this name.</summary>
    /// <exception cref="ArgumentException">The name is no plain file name.</exception>
    /// <exception cref="LinuxException">There is none (ENOENT).</exception>
    public static NetworkNamespace Open(string name)
    {
        var opened = new NetworkNamespace(Checked(name));
        return File.Exists(opened.Path) ? opened : throw new LinuxException(Calls.NoSuchFile, "open", opened.Path);
    }

    /// <summary>The namespaces whose names start with <paramref name="prefix"/>, in no particular order.</summary>
    public static IReadOnlyList<NetworkNamespace> List(string prefix)
    {
        if (!Directory.Exists(Folder))
            return [];
        return
        [
            .. from path in Directory.GetFiles(Folder)
               let name = System.IO.Path.GetFileName(path)
               where name.StartsWith(prefix, StringComparison.Ordinal)
               select new NetworkNamespace(name),
        ];
    }

    /// <summary>Takes the name away; the namespace ends with the last process or socket inside. One that is gone already is fine.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void Delete()
    {
        // What was never mounted on (EINVAL: its maker died in between) is a plain file.
        Check(Calls.Unmount(Path, Calls.UnmountDetach), "umount", Path, Calls.Invalid, Calls.NoSuchFile);
        Check(Calls.Unlink(Path), "unlink", Path, Calls.NoSuchFile);
    }

    /// <summary>
    /// Runs <paramref name="action"/> inside the namespace, on a thread of its own that ends afterwards, and returns what it returned.
    /// What it throws is thrown here.
    /// <para>
    /// Only system calls and files below /proc and /sys belong in there. A managed socket, task or process must not be made inside: the
    /// runtime would start threads of its own from this one, and they would stay in the foreign namespace for good.
    /// </para>
    /// </summary>
    /// <exception cref="LinuxException">There is no such namespace, or this process may not enter it.</exception>
    public T Run<T>(Func<T> action)
    {
        T result = default!;
        using (FileDescriptor file = OpenFile(Path, Calls.OpenReadOnly))
            RunInside(file.Number, Name, () => result = action());
        return result;
    }

    /// <summary>As <see cref="Run{T}"/>, for what returns nothing.</summary>
    /// <exception cref="LinuxException">There is no such namespace, or this process may not enter it.</exception>
    public void Run(Action action) => Run<object?>(() =>
    {
        action();
        return null;
    });

    /// <summary>The processes whose main thread is inside, as <c>ip netns pids</c> lists them. None where the namespace is gone.</summary>
    public IReadOnlyList<int> ProcessIds()
    {
        if (Calls.Stat(Calls.AtCurrentDirectory, Path, 0, Calls.StatInode, out Calls.FileStatus status) < 0)
            return [];
        string target = $"net:[{status.Inode}]";
        List<int> inside = [];
        foreach (string folder in Directory.GetDirectories("/proc"))
        {
            if (int.TryParse(System.IO.Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int id)
                && NamespaceOf(folder) == target)
            {
                inside.Add(id);
            }
        }
        return inside;
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>As <see cref="Run{T}"/>, inside a namespace that has no name, or whose name is not known.</summary>
    /// <param name="descriptor">An open file that stands for the namespace; the caller's.</param>
    /// <param name="name">What to call it.</param>
    /// <param name="action">What is done inside.</param>
    /// <exception cref="LinuxException">This process may not enter it.</exception>
    internal static void RunInside(int descriptor, string name, Action action) => DedicatedThread.Run($"inside {name}", () =>
    {
        Check(Calls.SetNamespace(descriptor, Calls.CloneNewNetwork), "setns", name);
        action();
    });

    private static string? NamespaceOf(string processFolder)
    {
        try
        {
            return new FileInfo($"{processFolder}/ns/net").LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // It ended meanwhile, or is none of ours.
        }
    }

    private static string Checked(string name) =>
        name is "" or "." or ".." || name.Contains('/', StringComparison.Ordinal) || name.Contains('\0', StringComparison.Ordinal)
            ? throw new ArgumentException($"'{name}' is not the name of a network namespace: it must be a plain file name.", nameof(name))
            : name;

    /// <summary>
    /// Makes the folder a shared mount, as ip-netns(8) does: only then does a later unmount reach the mount namespaces that
    /// <c>ip netns exec</c> has made meanwhile, and the namespace can end.
    /// </summary>
    private static void ShareFolder()
    {
        const ulong Share = Calls.MountShared | Calls.MountRecursive;
        if (Calls.Mount("", Folder, "none", Share, 0) == 0)
            return;
        if (Marshal.GetLastPInvokeError() is var error and not Calls.Invalid)
            throw new LinuxException(error, "mount", Folder);
        Check(Calls.Mount(Folder, Folder, "none", Calls.MountBind | Calls.MountRecursive, 0), "mount", Folder);
        Check(Calls.Mount("", Folder, "none", Share, 0), "mount", Folder);
    }

    /// <summary>Keeps others, among them <c>ip netns add</c>, from making the folder a mount at the same time.</summary>
    private static FileDescriptor LockFolder()
    {
        FileDescriptor folder = OpenFile(Folder, Calls.OpenReadOnly);
        Check(Calls.Lock(folder.Number, Calls.LockExclusive), "flock", Folder);
        return folder;
    }

    private static FileDescriptor OpenFile(string path, int flags)
    {
        int number = Calls.Open(path, flags | Calls.OpenCloseOnExec, 0);
        Check(number, "open", path);
        return new FileDescriptor(number);
    }

    private static void Check(int result, string operation, string target, params ReadOnlySpan<int> harmless)
    {
        if (result < 0 && Marshal.GetLastPInvokeError() is var error && !harmless.Contains(error))
            throw new LinuxException(error, operation, target);
    }

    private readonly struct FileDescriptor(int number) : IDisposable
    {
        public int Number => number;

        public void Dispose() => _ = Calls.Close(number);
    }
}
