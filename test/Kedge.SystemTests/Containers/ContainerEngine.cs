using Kedge.Demo;

namespace Kedge.SystemTests.Containers;

/// <summary>
/// podman with its API for <c>docker</c>, in namespaces of its own for mounts, processes and the network: its containers, images, bridges and
/// firewall rules are not the machine's, and end with it. Its network is a host's of its own, or that of a host that is given. Whoever started
/// it disposes it.
/// </summary>
internal sealed class ContainerEngine : IDisposable
{
    // podman's settings: without systemd, no cgroup manager and no journal. Debian 12's podman has its networks by CNI. A network namespace
    // brings its own /sys, without cgroups; those mounted here may have no controllers, so there is no limit that needs one.
    private const string Script =
        """
        set -eu
        echo "process $(cut -d ' ' -f 4 /proc/self/stat)"
        mount --make-rprivate /
        mount -t proc proc /proc
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
        # podman asks for the packages of its runtimes all the time, which takes it a second each.
        mount --bind /bin/false /usr/bin/dpkg-query
        mkdir -p /var/lib/containers /var/lib/cni
        for folder in /run /var/lib/containers /var/lib/cni /var/tmp; do mount -t tmpfs -o mode=755 tmpfs $folder; done
        mkdir /run/home
        cat >/run/containers.conf <<END
        [containers]
        pids_limit = 0
        default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
        [engine]
        cgroup_manager = "cgroupfs"
        events_logger = "file"
        runtime = "runc"
        [network]
        network_config_dir = "/run/networks"
        END
        cat >/run/storage.conf <<END
        [storage]
        driver = "overlay"
        runroot = "/run/storage"
        graphroot = "/var/lib/containers/storage"
        END
        export HOME=/run/home CONTAINERS_CONF=/run/containers.conf CONTAINERS_STORAGE_CONF=/run/storage.conf
        podman system service --time 0 unix:///run/podman.sock &
        wait
        """;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Topology? _ownNet;
    private readonly Host _host;
    private readonly RunningProcess _process;
    private readonly string[] _inside;

    public ContainerEngine() : this(Topology.Create(), null)
    {
    }

    /// <param name="host">Whose network it has; the caller's, who disposes it after this.</param>
    public ContainerEngine(Host host) : this(null, host)
    {
    }

    private ContainerEngine(Topology? ownNet, Host? host)
    {
        _ownNet = ownNet;
        _host = host ?? ownNet!.AddHost("engine");
        string folder = _host.Topology.TempFolder;
        _process = _host.Start("unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", Script);
        string line = _process.WaitForLine("process ", Patience);
        string process = line.Split(' ')[1];
        string plugins = Path.Combine(folder, "docker/cli-plugins");
        Directory.CreateDirectory(plugins);
        File.WriteAllText(Path.Combine(folder, "docker/config.json"), "{}"); // podman looks for it as well
        if (File.Exists(Tool("libexec/docker/cli-plugins/docker-compose")))
            File.CreateSymbolicLink(Path.Combine(plugins, "docker-compose"), Tool("libexec/docker/cli-plugins/docker-compose"));
        _inside =
        [
            "nsenter", "--target", process, "--mount", "--pid", "env", "HOME=/run/home",
            "CONTAINERS_CONF=/run/containers.conf", "CONTAINERS_STORAGE_CONF=/run/storage.conf",
            "DOCKER_HOST=unix:///run/podman.sock", $"DOCKER_CONFIG={folder}/docker",
            $"PATH={Tool("bin")}:{Environment.GetEnvironmentVariable("PATH")}",
        ];
        Wait.Until(() => TryRun("docker", "version").Succeeded, Patience, "podman's API");
    }

    /// <summary>podman-compose of version 1.3 or newer, and the Python that it is written in.</summary>
    public static string[] PodmanCompose => File.Exists(Tool("bin/podman-compose"))
        ? ["env", $"PYTHONPATH={Tool("lib/python3/dist-packages")}", "python3", Tool("bin/podman-compose")]
        : ["podman-compose"];

    /// <summary>The bridges of its networks.</summary>
    public IEnumerable<string> Bridges => _host.Ip("-o", "link", "show", "type", "bridge").Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Loads the image from an archive, as a person does.</summary>
    public void Load(string archive) => Run("sh", "-c", $"docker load < {archive}");

    /// <summary>Runs a program of this machine with this engine.</summary>
    /// <exception cref="CommandException">It failed.</exception>
    public CommandResult Run(params string[] line)
    {
        Command command = Inside(line);
        CommandResult result = _host.TryRun(command);
        return result.Succeeded ? result : throw new CommandException(command, "engine", result);
    }

    /// <summary>As <see cref="Run"/>, whatever the exit code.</summary>
    public CommandResult TryRun(params string[] line) => _host.TryRun(Inside(line));

    /// <summary>Starts a program of this machine with this engine.</summary>
    public RunningProcess Start(params string[] line) => _host.Start(Inside(line));

    /// <summary>The running containers' names.</summary>
    public string[] Containers() =>
        Run("podman", "ps", "--format", "{{.Names}}").Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Runs the health check of each container, as systemd would, once. Those that are about to end are passed over.</summary>
    public void CheckHealth()
    {
        foreach (string container in Containers())
            TryRun("podman", "healthcheck", "run", container);
    }

    public void Dispose()
    {
        // The cgroups are the machine's and would stay: podman removes those of the containers, but not their parent.
        TryRun("podman", "rm", "--all", "--force", "--time", "0");
        TryRun("rmdir", "/sys/fs/cgroup/libpod_parent/conmon", "/sys/fs/cgroup/libpod_parent");
        _process.Dispose();
        _ownNet?.Dispose();
    }

    // What script/bootstrap has taken from Debian 13, as 12 has no such version.
    private static string Tool(string name) => Repository.PathOf($"out/trixie/usr/{name}");

    private Command Inside(string[] line) => new([.. _inside, .. line]) { Timeout = Patience };
}
