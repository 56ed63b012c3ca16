using Kedge.Demo;
using Kedge.Demo.Networks;
using Kedge.Linux.Processes;
using Kedge.Node.ControlLink;
using Kedge.SystemTests.Mesh;

namespace Kedge.SystemTests.Networks;

/// <summary>Nodes of networks without a controller, from the master key to packets.</summary>
public sealed class KnockTests : IDisposable
{
    private const string Prefix = "10.44.0.0/24";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Topology _net = Topology.Create();
    private readonly Switch _switch;
    private readonly Host _keeper;
    private readonly MasterKey _network;
    private readonly List<NetworkNode> _nodes = [];

    public KnockTests()
    {
        (_switch, _keeper) = (_net.AddSwitch("switch"), _net.AddHost("keeper"));
        _network = new MasterKey(_keeper, Repository.Program, "home", Prefix);
    }

    public void Dispose()
    {
        foreach (NetworkNode node in _nodes)
            node.Dispose();
        _net.Dispose();
    }

    [Fact]
    public void One_knock_serves_both_directions_and_is_remembered()
    {
        NetworkNode a = Add("alice"), b = Add("bob");
        a.Enter(_network.Certificate);
        b.Enter(_network.Certificate);
        Assert.False(Reaches(a, b));

        string said = a.Knock(b).Output;

        Assert.Contains("is node 'bob', 10.44.0.2/32", said, StringComparison.Ordinal);
        AwaitReach(a, b);
        AwaitReach(b, a);
        Assert.Matches(@"bob +10\.44\.0\.2 +direct", a.Run("status", "kedge0"));
        Assert.Contains("None: nodes introduce themselves", a.Try("netcheck").Output, StringComparison.Ordinal);

        a.Run("down");
        a.Up();
        AwaitReach(a, b);
    }

    [Fact]
    public void The_words_of_Rimnet_knock_too()
    {
        NetworkNode a = Add("alice"), b = Add("bob");
        a.Enter(_network.Certificate);
        b.Enter(_network.Certificate);

        a.Run("knock-request", "--target-public-ipv4", "192.0.2.2", "--target-public-port", "7891");

        AwaitReach(b, a);
    }

    [Fact]
    public void Nobody_of_another_network_is_answered()
    {
        var other = new MasterKey(_keeper, Repository.Program, "other", Prefix);
        NetworkNode a = Add("alice"), stranger = Add("stranger", other);
        a.Enter(_network.Certificate);
        stranger.Enter(other.Certificate);

        CommandResult result = stranger.Knock(a);

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("No answer: nobody is there, or it is a node of another network.", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("stranger", a.Run("status", "kedge0"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_certificate_that_was_revoked_is_refused_and_its_owner_is_told_why()
    {
        NetworkNode a = Add("alice"), b = Add("bob");
        _network.Revoke(b);
        a.Enter(WithList());
        b.Enter(_network.Certificate);

        CommandResult result = b.Knock(a);

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("The other node refuses this node's certificate.", result.Error, StringComparison.Ordinal);
        Assert.Contains("revoked", result.Error, StringComparison.Ordinal);

        a.Run("down");
        a.Enter(_network.Certificate); // which leaves the list out
        Assert.Contains("revoked", b.Knock(a).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_that_is_given_to_a_node_that_is_up_counts_at_once()
    {
        NetworkNode a = Add("alice"), b = Add("bob");
        a.Enter(_network.Certificate);
        b.Enter(_network.Certificate);
        _network.Revoke(b);
        var run = new RunFolder(Path.Combine(_net.TempFolder, "alice.run"), MeshNode.Interface);
        MeshNode.Kill(ProcessLock.Holder(run.UpLock)); // what it supervised goes on

        a.Enter(WithList());

        Assert.Contains("revoked", b.Knock(a).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_does_not_belong_together_is_refused_before_anything_is_changed()
    {
        NetworkNode a = Add("alice"), b = Add("bob");

        CommandResult foreignKeys = a.TryEnter(_network.Certificate, b.Certificate, a.Keys);
        Assert.Equal(1, foreignKeys.ExitCode);
        Assert.Contains("is for other keys than those in", foreignKeys.Error, StringComparison.Ordinal);

        CommandResult noMaster = a.TryEnter(a.Request, a.Certificate, a.Keys);
        Assert.Contains("has no certificate of a network's master", noMaster.Error, StringComparison.Ordinal);

        Assert.Equal(2, a.Try("up", "--network", "demo", "--ca", _network.Certificate).ExitCode);
        Assert.Contains("is in no network", a.Knock(b).Error, StringComparison.Ordinal);
    }

    private string WithList()
    {
        string path = Path.Combine(_net.TempFolder, "with-list.pem");
        File.WriteAllText(path, File.ReadAllText(_network.Certificate) + File.ReadAllText(_network.RevocationList));
        return path;
    }

    private NetworkNode Add(string name, MasterKey? network = null)
    {
        int number = _nodes.Count + 1;
        Host host = _net.AddHost(name);
        string underlay = FormattableString.Invariant($"192.0.2.{number}");
        _switch.Attach(host, [$"{underlay}/24"]);
        var node = new NetworkNode(host, Repository.Program, FormattableString.Invariant($"10.44.0.{number}"), underlay);
        _nodes.Add(node);
        (network ?? _network).Certify(node);
        return node;
    }

    private static bool Reaches(NetworkNode from, NetworkNode to) =>
        Ping.Run(from.Host, to.Address, count: 1, patience: Ping.Brief).AllReceived;

    private static void AwaitReach(NetworkNode from, NetworkNode to) =>
        Wait.Until(() => Reaches(from, to), Patience, $"an answer from {to.Address} to {from.Host}");
}
