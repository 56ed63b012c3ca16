using System.Globalization;
using Kedge.Demo;

namespace Kedge.SystemTests.Soak;

/// <summary>
/// systemd as the first process of namespaces of its own, with a view of this machine's files whose changes go to memory. It has a loopback
/// interface and no other. Disposal ends it, and nothing of it is left.
/// </summary>
internal sealed class SystemdMachine : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // Called outside of all namespaces, with a name for control groups, and the program and folder for what follows. systemd wants a control
    // group that it can take for the root; which of the two forms the machine has, it has inside as well.
    private const string Enter =
        """
        set -e
        [[ -e /sys/fs/cgroup/cgroup.controllers ]] && trees=(/sys/fs/cgroup) || trees=(/sys/fs/cgroup/systemd /sys/fs/cgroup/unified)
        for tree in "${trees[@]}"; do
            mkdir "$tree/$1"
            echo $$ > "$tree/$1/cgroup.procs"
        done
        exec unshare --mount --pid --fork --kill-child --net --uts --ipc --cgroup --propagation private bash -c "$4" boot "$2" "$3"
        """;

    private const string Boot =
        """
        set -e
        mount -t tmpfs none "$2"
        cd "$2"
        mkdir upper work root
        mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
        cd root
        rm -rf var/lib/kedge* var/lib/private etc/kedge etc/systemd/system/*kedge* usr/lib/systemd/system/kedge* usr/bin/kedge
        cp "$1" usr/local/bin/kedge
        mount -t proc proc proc
        mount -t sysfs sysfs sys
        if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
            mount -t cgroup2 cgroup2 sys/fs/cgroup
        else
            mount -t tmpfs none sys/fs/cgroup
            mkdir sys/fs/cgroup/{systemd,unified}
            mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
            mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
        fi
        mount -t tmpfs none dev
        mkdir dev/{net,pts,shm}
        for node in null zero full random urandom tty net/tun; do
            touch dev/$node
            mount --bind /dev/$node dev/$node
        done
        mount -t devpts none dev/pts -o newinstance,ptmxmode=0666
        ln -s pts/ptmx dev/ptmx
        ln -s /proc/self/fd dev/fd
        mount -t tmpfs none dev/shm
        mount -t tmpfs none run
        mount -t tmpfs none tmp
        ip link set lo up
        hostname alpha
        mkdir .old
        pivot_root . .old
        cd /
        umount -l .old
        mount --make-rshared /
        export container=kedge-test
        exec /lib/systemd/systemd --system --unit=basic.target --log-target=console --show-status=no
        """;

    private readonly string _group = $"kedge-test-systemd-{Environment.ProcessId}";
    private readonly RunningProcess _process;
    private readonly string _init;

    /// <summary>Boots it, with the program under test in <c>/usr/local/bin</c>.</summary>
    /// <param name="net">For its folder.</param>
    public SystemdMachine(Topology net)
    {
        RemoveGroups();
        string folder = Directory.CreateDirectory(Path.Combine(net.TempFolder, "machine")).FullName;
        _process = RunningProcess.Start(new Command("bash", "-c", Enter, "enter", _group, Repository.Program, folder, Boot));
        try
        {
            string init = "";
            Wait.Until(() => (init = FindInit()).Length > 0, Patience, "its first process");
            _init = init;
            Wait.Until(() => Try("systemctl", "is-system-running").Output.Trim() is "running" or "degraded", Patience, "the end of its boot");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Runs a program there to its end.</summary>
    public CommandResult Try(params string[] line) => RunningProcess.Run(
        new Command(["nsenter", "--target", _init, "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--root", "--wd", .. line])
        {
            Timeout = 2 * Patience,
        });

    /// <summary>Runs a program there, which must succeed.</summary>
    public CommandResult Run(params string[] line)
    {
        CommandResult result = Try(line);
        Assert.True(result.Succeeded, $"{string.Join(' ', line)}\n{result.Error}{result.Output}");
        return result;
    }

    /// <summary>Whether there is a file or folder.</summary>
    public bool Has(string path) => Try("test", "-e", path).Succeeded;

    public void Dispose()
    {
        _process.Dispose();
        RemoveGroups();
    }

    private string FindInit() => RunningProcess.Run(new Command(
        "pgrep", "--parent", _process.ProcessId.ToString(CultureInfo.InvariantCulture), "--exact", "systemd")).Output.Trim();

    // Those of earlier runs too. One in which a process is stays.
    private static void RemoveGroups() => RunningProcess.Run(new Command(
        "bash", "-c",
        "for i in {1..50}; do find /sys/fs/cgroup -depth -type d -path '*/kedge-test-systemd-*' -exec rmdir {} + 2>/dev/null && exit; sleep 0.1; done"));
}
