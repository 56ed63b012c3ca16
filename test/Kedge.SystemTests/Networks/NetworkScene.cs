using Kedge.Demo;
using Kedge.Demo.Nat;
using Kedge.Demo.Networks;

namespace Kedge.SystemTests.Networks;

/// <summary>A master key and nodes of its network, with public addresses or behind NATs. Whoever made it disposes it.</summary>
internal sealed class NetworkScene : IDisposable
{
    /// <summary>The network's addresses.</summary>
    public const string Prefix = "10.44.0.0/16";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly List<NetworkNode> _nodes = [];

    public NetworkScene()
    {
        Net = Topology.Create();
        Internet = new Internet(Net.AddSwitch("internet"));
        Keeper = Net.AddHost("keeper");
        Key = new MasterKey(Keeper, Repository.Program, "home", Prefix);
    }

    public Topology Net { get; }

    public Internet Internet { get; }

    /// <summary>The machine with master keys.</summary>
    public Host Keeper { get; }

    /// <summary>The network's master key.</summary>
    public MasterKey Key { get; }

    /// <summary>The master's certificate and its revocation list in one file.</summary>
    public string CertificateWithList()
    {
        string path = Path.Combine(Net.TempFolder, "with-list.pem");
        File.WriteAllText(path, File.ReadAllText(Key.Certificate) + File.ReadAllText(Key.RevocationList));
        return path;
    }

    /// <summary>Adds a machine with a public address, whose node is certified.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="network">The network's master key; null for <see cref="Key"/>.</param>
    /// <param name="requested">More options of <c>kedge cert request</c>.</param>
    /// <param name="granted">More options of <c>kedge ca sign</c>.</param>
    public NetworkNode Add(string name, MasterKey? network = null, string[]? requested = null, string[]? granted = null)
    {
        Host host = Net.AddHost(name);
        int number = _nodes.Count + 1;
        Internet.Attach(host, number);
        return Certify(host, network ?? Key, FormattableString.Invariant($"192.0.2.{number}"), requested, granted);
    }

    /// <summary>Adds a machine behind a NAT of its own, whose node is certified and has entered.</summary>
    public NetworkNode EnterBehindNat(string name, GatewaySettings settings)
    {
        NetworkNode node = Certify(Internet.AddGateway($"{name}-nat", settings).AddHost(name), Key, underlay: "");
        node.Enter(Key.Certificate);
        return node;
    }

    /// <summary>Adds a machine with a public address, whose node is certified and has entered.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="requested">More options of <c>kedge cert request</c>.</param>
    public NetworkNode Enter(string name, params string[] requested)
    {
        NetworkNode node = Add(name, requested: requested);
        node.Enter(Key.Certificate);
        return node;
    }

    public static bool Reaches(NetworkNode from, NetworkNode to) =>
        Ping.Run(from.Host, to.Address, count: 1, patience: Ping.Brief).AllReceived;

    public static void AwaitReach(NetworkNode from, NetworkNode to) =>
        Wait.Until(() => Reaches(from, to), Patience, $"an answer from {to.Address} to {from.Host}");

    public void Dispose()
    {
        foreach (NetworkNode node in _nodes)
            node.Dispose();
        Net.Dispose();
    }

    private NetworkNode Certify(Host host, MasterKey network, string underlay, string[]? requested = null, string[]? granted = null)
    {
        var node = new NetworkNode(host, Repository.Program, FormattableString.Invariant($"10.44.0.{_nodes.Count + 1}"), underlay);
        _nodes.Add(node);
        network.Certify(node, requested, granted);
        return node;
    }
}
