using System.Globalization;
using System.Runtime.InteropServices;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Netlink;

namespace Kedge.Demo;

/// <summary>
/// A network of machines, made of network namespaces and veth pairs of this machine, on which the demo and the system tests stand:
/// <code>
/// using var net = Topology.Create();
/// Host a = net.AddHost("a"), b = net.AddHost("b");
/// net.Connect(a, b, ["10.1.0.1/24", "fd01::1/64"], ["10.1.0.2/24", "fd01::2/64"]);
/// a.Run("ping", "-c", "1", "10.1.0.2");
/// </code>
/// <para>
/// Whoever created it disposes it; that ends every process inside and removes namespaces, links, sockets and files. SIGINT and SIGTERM do
/// so too. After SIGKILL the next topology on this machine does, because every name says whose it is (<see cref="Owner"/>). What another
/// live process owns is never touched. Any thread may use it. It needs root.
/// </para>
/// </summary>
public sealed class Topology : IDisposable
{
    private static readonly Lock AllLock = new();
    private static readonly List<Topology> All = [];
    private static readonly List<IDisposable> Signals = [];
    private static bool _ending;
    private static int _lastNumber;
    private static int _lastInterface;
    private static int _lastIndex = 100;

    private readonly Lock _lock = new();
    private readonly List<Host> _hosts = [];
    private readonly List<Wire> _wires = [];
    private readonly List<string> _interfaces = [];
    private readonly string _number;
    private bool _disposed;

    private Topology()
    {
        _number = Interlocked.Increment(ref _lastNumber).ToString(CultureInfo.InvariantCulture);
        TempFolder = Path.Combine(Path.GetTempPath(), Owner.Self.Name(_number));
        Directory.CreateDirectory(TempFolder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>A folder for files of this network, readable by its owner alone; removed with the network.</summary>
    public string TempFolder { get; }

    /// <summary>An empty network. First removes what dead processes have left of theirs.</summary>
    /// <exception cref="OperationCanceledException">This process has been asked to end.</exception>
    public static Topology Create()
    {
        lock (AllLock)
        {
            if (_ending)
                throw new OperationCanceledException("This process has been asked to end.");
            if (Signals.Count == 0)
                RegisterSignals();
            CleanUpAfterDead();
            var topology = new Topology();
            All.Add(topology);
            return topology;
        }
    }

    /// <summary>
    /// Removes what processes that no longer run have left behind: their namespaces with the processes inside, links, sockets and files.
    /// </summary>
    public static void CleanUpAfterDead() => Remains.Remove(owner => !owner.IsAlive);

    /// <summary>Adds a machine without any link.</summary>
    /// <param name="label">What to call it: letters, digits and hyphens, unique in this network.</param>
    public Host AddHost(string label)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var host = new Host(this, label, NetworkNamespace.Create(Owner.Self.Name($"{_number}-{label}")));
            _hosts.Add(host);
            host.SetUp();
            return host;
        }
    }

    /// <summary>Adds a switch that hosts can be attached to.</summary>
    /// <param name="label">What to call it: letters, digits and hyphens, unique in this network.</param>
    public Switch AddSwitch(string label) => new(AddHost(label));

    /// <summary>Links two hosts by a cable of their own.</summary>
    /// <param name="a">One host.</param>
    /// <param name="b">The other host.</param>
    /// <param name="addressesOfA">Addresses with prefix lengths, IPv4 and IPv6, for the end at <paramref name="a"/>.</param>
    /// <param name="addressesOfB">Addresses with prefix lengths, IPv4 and IPv6, for the end at <paramref name="b"/>.</param>
    /// <param name="mtu">Bytes of the longest IP packet, 68 to 65535.</param>
    /// <exception cref="ArgumentException">A host is of another network.</exception>
    /// <exception cref="CommandException">The kernel refused a link or an address.</exception>
    public Link Connect(Host a, Host b, string[] addressesOfA, string[] addressesOfB, int mtu = 1500)
    {
        Link link = NewLink(a, b);
        string bytes = Number(mtu);
        // Where both ends have the same index, the kernel takes them for one interface, and up to a second to notice that it is plugged in.
        int index = Interlocked.Add(ref _lastIndex, 2);
        RunHere(new Command(
            "ip", "link", "add", link.InterfaceOfA, "netns", a.Namespace.Name, "index", Number(index), "mtu", bytes, "type", "veth",
            "peer", "name", link.InterfaceOfB, "netns", b.Namespace.Name, "index", Number(index + 1), "mtu", bytes));
        a.SetUp(link.InterfaceOfA, addressesOfA, mtu);
        b.SetUp(link.InterfaceOfB, addressesOfB, mtu);
        AwaitCarrier(a, link.InterfaceOfA);
        AwaitCarrier(b, link.InterfaceOfB);
        return link;
    }

    /// <summary>Links two hosts by a cable that takes time and loses packets, at the cost of some processor time of this process.</summary>
    /// <inheritdoc cref="Connect"/>
    /// <param name="a">One host.</param>
    /// <param name="b">The other host.</param>
    /// <param name="addressesOfA">Addresses with prefix lengths, IPv4 and IPv6, for the end at <paramref name="a"/>.</param>
    /// <param name="addressesOfB">Addresses with prefix lengths, IPv4 and IPv6, for the end at <paramref name="b"/>.</param>
    /// <param name="quality">How bad the cable is.</param>
    /// <param name="mtu">Bytes of the longest IP packet, 68 to 65535.</param>
    public Wire ConnectByWire(Host a, Host b, string[] addressesOfA, string[] addressesOfB, WireQuality quality, int mtu = 1500)
    {
        const string QueueLength = "5000"; // Packets of a burst wait here for us, and not one by one for a machine that is busy.
        ArgumentNullException.ThrowIfNull(quality);
        var wire = new Wire(NewLink(a, b), quality, mtu);
        lock (_lock)
            _wires.Add(wire);
        foreach ((Host host, string name, string[] addresses) in
            new[] { (a, wire.Link.InterfaceOfA, addressesOfA), (b, wire.Link.InterfaceOfB, addressesOfB) })
        {
            host.Ip("link", "set", name, "txqueuelen", QueueLength);
            host.SetUp(name, addresses, mtu);
        }
        return wire;
    }

    /// <summary>
    /// A name for a tunnel's interface. No other on this machine has it, whatever the namespace: the sockets below
    /// <c>/var/run/wireguard</c> are named after interfaces, and all namespaces share that folder.
    /// </summary>
    public string NewInterfaceName()
    {
        lock (_lock)
        {
            string name = Owner.Self.InterfaceName(Interlocked.Increment(ref _lastInterface));
            _interfaces.Add(name);
            return name;
        }
    }

    /// <summary>Writes a file that only its owner can read into <see cref="TempFolder"/>, and returns its path.</summary>
    public string WriteSecret(string name, string content)
    {
        string path = Path.Combine(TempFolder, name);
        var options = new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        using var writer = new StreamWriter(path, options);
        writer.Write(content);
        return path;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        List<Host> hosts;
        List<Wire> wires;
        lock (_lock)
        {
            if (_disposed)
                return;
            _disposed = true;
            (hosts, wires) = ([.. _hosts], [.. _wires]);
        }
        foreach (Host host in hosts)
            host.StopProcesses();
        foreach (Wire wire in wires)
            wire.Dispose();
        Remains.Remove(hosts.Select(host => host.Namespace).ToList(), _interfaces);
        if (Directory.Exists(TempFolder))
            Directory.Delete(TempFolder, recursive: true);
        lock (AllLock)
            All.Remove(this);
    }

    /// <summary>Runs a program to its end in this process's own namespace.</summary>
    /// <exception cref="CommandException">Its exit code was not 0.</exception>
    internal static CommandResult RunHere(Command command)
    {
        CommandResult result = RunningProcess.Run(command, "here", []);
        return result.Succeeded ? result : throw new CommandException(command, "here", result);
    }

    private Link NewLink(Host a, Host b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        return a.Topology == this && b.Topology == this
            ? new Link(a, a.NewInterface(), b, b.NewInterface())
            : throw new ArgumentException($"{a} and {b} are not both hosts of this network.");
    }

    /// <summary>The kernel may take a while to notice that a cable is plugged in at both ends, and drops what is sent before.</summary>
    private static void AwaitCarrier(Host host, string interfaceName)
    {
        using RouteSocket socket = RouteSocket.Open(host.Namespace);
        Wait.Until(
            () => socket.FindLink(interfaceName) is { IsRunning: true },
            TimeSpan.FromSeconds(10),
            $"the carrier of {interfaceName} on {host}");
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static void RegisterSignals()
    {
        // Not cancelled: once all is removed, the signal has its usual effect.
        Signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => DisposeAll()));
        Signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => DisposeAll()));
        AppDomain.CurrentDomain.ProcessExit += (_, _) => DisposeAll();
    }

    private static void DisposeAll()
    {
        List<Topology> all;
        lock (AllLock)
        {
            _ending = true;
            all = [.. All];
        }
        foreach (Topology topology in all)
            topology.Dispose();
    }
}

/// <summary>A cable between two hosts: a veth pair, or the ends of a <see cref="Wire"/>.</summary>
/// <param name="A">One host.</param>
/// <param name="InterfaceOfA">The name of the interface at <paramref name="A"/>.</param>
/// <param name="B">The other host.</param>
/// <param name="InterfaceOfB">The name of the interface at <paramref name="B"/>.</param>
public sealed record Link(Host A, string InterfaceOfA, Host B, string InterfaceOfB);
