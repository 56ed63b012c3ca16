using Kedge.Demo;

namespace Kedge.SystemTests.Packages;

/// <summary>
/// A machine with a file system, processes and a network of its own. What it changes of the root that it starts from is in memory and
/// ends with it, as do its processes.
/// </summary>
internal sealed class Machine : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // $1 the root to start from, $2 a folder for mounts, $3 a folder that the machine sees at /mnt, and then what runs as process 1.
    private const string Script =
        """
        set -eu
        mount -t tmpfs -o mode=755 tmpfs "$2"
        mkdir "$2/changes" "$2/work" "$2/root"
        mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/changes,workdir=$2/work" "$2/root"
        for folder in run tmp; do mount -t tmpfs tmpfs "$2/root/$folder"; done
        mount -t proc proc "$2/root/proc"
        mount -t sysfs sysfs "$2/root/sys"
        mount --rbind /dev "$2/root/dev"
        mount --bind "$3" "$2/root/mnt"
        mount -t cgroup2 cgroup2 "$2/root/sys/fs/cgroup"
        # As systemd expects of what it starts from: credentials reach its services by mounts.
        mount --make-rshared "$2/root"
        cd "$2/root"
        # With which an image of a container forbids to start services; and what a Kedge on this machine may have.
        rm -rf usr/sbin/policy-rc.d var/lib/kedge var/lib/kedge-controller etc/kedge
        shift 3
        echo Mounted
        exec env -i container=kedge PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . "$@"
        """;

    // What dpkg and its triggers keep of every package that was ever there, or make anew by themselves.
    private static readonly string[] Books = ["/var/lib/dpkg", "/var/log", "/var/cache", "/etc/ld.so.cache", "/dev", "/proc", "/sys", "/run", "/tmp", "/mnt", "/usr/sbin/policy-rc.d"];

    private readonly string _lower;
    private readonly string _mounts;
    private readonly RunningProcess _init;
    private readonly string _id;

    /// <param name="host">Whose network it has.</param>
    /// <param name="root">The root to start from: <c>/</c> for that of this machine.</param>
    /// <param name="shared">A folder that it sees at <c>/mnt</c>.</param>
    /// <param name="withServices">Whether systemd runs on it.</param>
    public Machine(Host host, string root, string shared, bool withServices = false)
    {
        _lower = root;
        _mounts = Path.Combine(host.Topology.TempFolder, "machine");
        Directory.CreateDirectory(_mounts);
        string[] init = withServices ? ["/lib/systemd/systemd", "--unit=basic.target"] : ["sleep", "infinity"];
        _init = host.Start([
            "unshare", "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--fork", "--kill-child", "--",
            "sh", "-c", Script, "sh", root, _mounts, shared, .. init]);
        _init.WaitForLine("Mounted", Patience);
        _id = File.ReadAllText($"/proc/{_init.ProcessId}/task/{_init.ProcessId}/children").Trim();
        if (withServices)
            Wait.Until(() => TryRun("systemctl", "is-system-running").Output.Trim() is "running" or "degraded", Patience, "systemd is up");
    }

    /// <summary>Runs a program to its end; it must succeed.</summary>
    public CommandResult Run(params string[] line)
    {
        CommandResult result = TryRun(line);
        Assert.True(result.Succeeded, $"{string.Join(' ', line)}\n{result.Output}{result.Error}");
        return result;
    }

    /// <summary>Runs a program to its end, whatever comes of it.</summary>
    public CommandResult TryRun(params string[] line) => RunningProcess.Run(Inside(line));

    /// <summary>Starts a program, which ends with this machine.</summary>
    public RunningProcess Start(params string[] line) => RunningProcess.Start(Inside(line));

    /// <summary>
    /// What is there that was not, and what was there and is not, below the root and in its <c>/run</c>; without the books of dpkg.
    /// </summary>
    public IReadOnlyList<string> Changes()
    {
        // A removed file is a character device there (overlayfs, "whiteouts and opaque directories").
        IEnumerable<string> below = Find("changes", "-printf", "%y /%P\n")
            .Where(line => !Books.Any(book => line[2..] == book || line[2..].StartsWith(book + "/", StringComparison.Ordinal)))
            .Where(line => line[0] == 'c' || !Exists(_lower + line[2..]))
            .Select(line => line[0] == 'c' ? "removed: " + line[2..] : line[2..]);
        return [.. below, .. Find("root/run", "-maxdepth", "1", "-printf", "/run/%P\n")];
    }

    // In the machine's mounts, but not in its root.
    private string[] Find(string folder, params string[] expression) => BuiltPackages
        .Run(["nsenter", "--target", _id, "--mount", "find", Path.Combine(_mounts, folder), "-mindepth", "1", .. expression])
        .Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public void Dispose() => _init.Dispose();

    private static bool Exists(string path) => Path.Exists(path) || new FileInfo(path).LinkTarget is not null;

    private Command Inside(string[] line) => new(
        [
            "nsenter", "--target", _id, "--mount", "--pid", "--net", "--cgroup", "--uts", "--ipc", "chroot", Path.Combine(_mounts, "root"),
            "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "DEBIAN_FRONTEND=noninteractive", .. line,
        ])
    { Timeout = Patience };
}
