using System.Globalization;
using Kedge.Linux.Namespaces;

namespace Kedge.Demo;

/// <summary>
/// A machine of a <see cref="Topology"/>: a network namespace with its own interfaces, routes and processes. Any thread may use it.
/// </summary>
public sealed class Host
{
    private readonly Lock _lock = new();
    private readonly List<RunningProcess> _processes = [];
    private readonly List<string> _interfaces = [];

    internal Host(Topology topology, string label, NetworkNamespace networkNamespace)
    {
        Topology = topology;
        Label = label;
        Namespace = networkNamespace;
    }

    /// <summary>The network that this host is part of, and that removes it.</summary>
    public Topology Topology { get; }

    /// <summary>What the topology calls this host.</summary>
    public string Label { get; }

    /// <summary>The host's network namespace.</summary>
    public NetworkNamespace Namespace { get; }

    /// <summary>
    /// The names of the interfaces that link this host to others, in the order of their making: <c>eth0</c>, <c>eth1</c> and so on.
    /// </summary>
    public IReadOnlyList<string> Interfaces
    {
        get
        {
            lock (_lock)
                return [.. _interfaces];
        }
    }

    /// <summary>Runs a program to its end on this host and returns what it printed.</summary>
    /// <exception cref="CommandException">Its exit code was not 0, or it took more than 30 seconds.</exception>
    public CommandResult Run(params string[] line) => Run(new Command(line));

    /// <inheritdoc cref="Run(string[])"/>
    public CommandResult Run(Command command)
    {
        CommandResult result = TryRun(command);
        return result.Succeeded ? result : throw new CommandException(command, Where, result);
    }

    /// <summary>Runs a program to its end on this host; any exit code is fine.</summary>
    /// <exception cref="CommandException">It took more than 30 seconds.</exception>
    public CommandResult TryRun(params string[] line) => TryRun(new Command(line));

    /// <inheritdoc cref="TryRun(string[])"/>
    public CommandResult TryRun(Command command) => RunningProcess.Run(command, Where, Prefix);

    /// <summary>Starts a program on this host. The caller may dispose it; the topology does in the end.</summary>
    public RunningProcess Start(params string[] line) => Start(new Command(line));

    /// <inheritdoc cref="Start(string[])"/>
    public RunningProcess Start(Command command)
    {
        RunningProcess process = RunningProcess.Start(command, Where, Prefix);
        lock (_lock)
            _processes.Add(process);
        return process;
    }

    /// <summary>Runs <c>ip</c> of iproute2 for this host.</summary>
    /// <exception cref="CommandException">It failed.</exception>
    public CommandResult Ip(params string[] arguments) => Topology.RunHere(new Command(["ip", "-n", Namespace.Name, .. arguments]));

    /// <summary>Runs several lines of <c>ip -batch</c> for this host, which takes one process.</summary>
    /// <param name="lines">Such as <c>route add 10.2.0.0/16 via 10.1.0.1</c>; none is fine.</param>
    /// <exception cref="CommandException">One failed.</exception>
    public void IpBatch(params IReadOnlyList<string> lines)
    {
        ArgumentNullException.ThrowIfNull(lines);
        if (lines.Count > 0)
            Topology.RunHere(new Command("ip", "-n", Namespace.Name, "-batch", "-") { Input = string.Join('\n', lines) + '\n' });
    }

    /// <summary>Adds an address such as <c>10.1.0.1/24</c> or <c>fd01::1/64</c> to an interface; it is usable at once.</summary>
    /// <exception cref="CommandException">The kernel refused it.</exception>
    public void AddAddress(string interfaceName, string address)
    {
        ArgumentNullException.ThrowIfNull(address);
        Ip(AddressLine(interfaceName, address).Split(' '));
    }

    /// <summary>Adds a route by way of a neighbour.</summary>
    /// <param name="prefix">Where to, such as <c>10.2.0.0/16</c>, or <c>default</c>.</param>
    /// <param name="via">The neighbour's address, which tells the family.</param>
    /// <exception cref="CommandException">The kernel refused it.</exception>
    public void AddRoute(string prefix, string via)
    {
        ArgumentNullException.ThrowIfNull(via);
        Ip(via.Contains(':', StringComparison.Ordinal) ? "-6" : "-4", "route", "add", prefix, "via", via);
    }

    /// <summary>Makes this host a router for both families.</summary>
    public void EnableForwarding()
    {
        SetSetting("net.ipv4.ip_forward", "1");
        SetSetting("net.ipv6.conf.all.forwarding", "1");
    }

    /// <summary>
    /// Makes this host a home router: what leaves by an interface gets its address, ports are kept where they are free, and only answers
    /// come in. IPv4.
    /// </summary>
    /// <param name="wan">The interface towards the network outside.</param>
    /// <exception cref="CommandException">The kernel refused the rules.</exception>
    public void Masquerade(string wan) => Run(new Command("nft", "-f", "-")
    {
        Input =
            $$"""
            table ip nat {
                chain input {
                    type filter hook input priority 0
                    iifname "{{wan}}" ct state new drop
                }
                chain forward {
                    type filter hook forward priority 0
                    iifname "{{wan}}" ct state != { established, related } drop
                }
                chain postrouting {
                    type nat hook postrouting priority srcnat
                    oifname "{{wan}}" masquerade
                }
            }

            """,
    });

    /// <summary>Sets one of the kernel's settings of this host's network, named as sysctl(8) does.</summary>
    public void SetSetting(string name, string value) => Namespace.Run(() => WriteSetting(name, value));

    /// <summary>As <see cref="SetSetting"/>, for a setting that the kernel may not have.</summary>
    public void TrySetSetting(string name, string value) => Namespace.Run(() =>
    {
        if (File.Exists(PathOfSetting(name)))
            WriteSetting(name, value);
    });

    /// <inheritdoc/>
    public override string ToString() => Label;

    /// <summary>Gives an interface its addresses and its MTU, and sets it up.</summary>
    internal void SetUp(string interfaceName, string[] addresses, int mtu)
    {
        string link = string.Create(CultureInfo.InvariantCulture, $"link set {interfaceName} mtu {mtu} up");
        IpBatch([link, .. addresses.Select(address => AddressLine(interfaceName, address))]);
    }

    /// <summary>Makes the new namespace usable.</summary>
    internal void SetUp()
    {
        Namespace.Run(() =>
        {
            // Addresses are usable at once, and nothing is sent that a test did not ask for.
            WriteSetting("net.ipv6.conf.default.accept_dad", "0");
            WriteSetting("net.ipv6.conf.default.router_solicitations", "0");
            WriteSetting("net.ipv6.conf.default.accept_ra", "0");
        });
        Ip("link", "set", "lo", "up");
    }

    internal string NewInterface()
    {
        lock (_lock)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"eth{_interfaces.Count}");
            _interfaces.Add(name);
            return name;
        }
    }

    /// <summary>Ends the programs that were started here, the last one first.</summary>
    internal void StopProcesses()
    {
        List<RunningProcess> processes;
        lock (_lock)
        {
            processes = [.. _processes];
            _processes.Clear();
        }
        // All are asked before any is waited for.
        foreach (RunningProcess process in processes)
            process.Signal(ProcessSignal.Terminate);
        foreach (RunningProcess process in Enumerable.Reverse(processes))
            process.Dispose();
    }

    private string Where => $"on {Label}";

    private string[] Prefix => ["ip", "netns", "exec", Namespace.Name];

    private static void WriteSetting(string name, string value) =>
        File.WriteAllText(PathOfSetting(name), value);

    private static string PathOfSetting(string name) => $"/proc/sys/{name.Replace('.', '/')}";

    private static string AddressLine(string interfaceName, string address) =>
        $"address add {address} dev {interfaceName}{(address.Contains(':', StringComparison.Ordinal) ? " nodad" : "")}";
}
