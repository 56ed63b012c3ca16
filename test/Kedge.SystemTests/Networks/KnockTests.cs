using Kedge.Demo;

namespace Kedge.SystemTests.Networks;

/// <summary>Nodes of networks without a controller, from the master key to packets.</summary>
public sealed class KnockTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Topology _net = Topology.Create();
    private readonly Switch _switch;
    private readonly Host _anywhere;
    private readonly List<PeerNode> _nodes = [];

    public KnockTests()
    {
        _switch = _net.AddSwitch("switch");
        _anywhere = _net.AddHost("master");
        Run("ca", "init", PathOf("home"), "--prefix", "10.44.0.0/24");
    }

    public void Dispose()
    {
        foreach (PeerNode node in _nodes)
            node.Try("down");
        _net.Dispose();
    }

    [Fact]
    public void One_knock_serves_both_directions_and_is_remembered()
    {
        PeerNode a = Add("alice", 1), b = Add("bob", 2);
        a.Up("home");
        b.Up("home");
        Assert.False(Ping.Run(a.Host, b.Address, count: 1, patience: Ping.Brief).AllReceived);

        string said = a.Knock(b).Output;

        Assert.Contains("is node 'bob', 10.44.0.2/32", said, StringComparison.Ordinal);
        a.AwaitReach(b);
        b.AwaitReach(a);
        Assert.Matches(@"bob +10\.44\.0\.2 +direct", a.Try("status", "kedge0").Output);
        Assert.True(a.Try("netcheck").Output.Contains("None: nodes introduce themselves", StringComparison.Ordinal));

        Assert.Equal(0, a.Try("down").ExitCode);
        a.Up(null);
        Wait.Until(() => Ping.Run(a.Host, b.Address, count: 1, patience: Ping.Brief).AllReceived, Patience, "an answer after a restart");
    }

    [Fact]
    public void Nobody_of_another_network_is_answered()
    {
        Run("ca", "init", PathOf("other"), "--prefix", "10.44.0.0/24");
        PeerNode a = Add("alice", 1), stranger = Add("stranger", 2, "other");
        a.Up("home");
        stranger.Up("other");

        CommandResult result = stranger.Knock(a);

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("No answer: nobody is there, or it is a node of another network.", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("stranger", a.Try("status", "kedge0").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_certificate_that_was_revoked_is_refused_and_its_owner_is_told_why()
    {
        PeerNode a = Add("alice", 1), b = Add("bob", 2);
        Run("ca", "revoke", PathOf("bob.pem"), "--ca", PathOf("home"));
        File.AppendAllText(PathOf("home/master.pem"), File.ReadAllText(PathOf("home/revoked.pem")));
        a.Up("home");
        File.WriteAllText(PathOf("bob.ca"), File.ReadAllText(PathOf("home/master.pem")).Split("-----BEGIN X509 CRL")[0]);
        b.Up("bob.ca");

        CommandResult result = b.Knock(a);

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("The other node refuses this node's certificate.", result.Error, StringComparison.Ordinal);
        Assert.Contains("revoked", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_does_not_belong_together_is_refused_before_anything_is_changed()
    {
        PeerNode a = Add("alice", 1);
        Add("bob", 2);

        CommandResult foreignKeys = a.TryUp("home/master.pem", "bob.pem", "alice.keys");
        Assert.Equal(1, foreignKeys.ExitCode);
        Assert.Contains("is for other keys than those in", foreignKeys.Error, StringComparison.Ordinal);

        CommandResult foreignMaster = a.TryUp("alice.pem", "alice.pem", "alice.keys");
        Assert.Contains("has no certificate of a network's master", foreignMaster.Error, StringComparison.Ordinal);

        Assert.Equal(2, a.Try("up", "--network", "demo", "--ca", PathOf("home/master.pem")).ExitCode);
        Assert.Contains("is in no network", a.Try("knock", "192.0.2.2:7891").Error, StringComparison.Ordinal);
    }

    private PeerNode Add(string name, int number, string ca = "home")
    {
        Host host = _net.AddHost(name);
        _switch.Attach(host, [FormattableString.Invariant($"192.0.2.{number}/24")]);
        string address = FormattableString.Invariant($"10.44.0.{number}");
        Run("cert", "request", PathOf($"{name}.request"), "--name", name, "--ip", address, "--ca", PathOf($"{ca}/master.pem"), "--key", PathOf($"{name}.keys"));
        string shown = Run("cert", "show", PathOf($"{name}.request"));
        string hash = shown.Split('\n').Single(line => line.StartsWith("identity key", StringComparison.Ordinal)).Split(' ')[^1];
        Run("ca", "sign", PathOf($"{name}.request"), "--ca", PathOf(ca), "--out", PathOf($"{name}.pem"), "--expect", $"{name}={hash}");
        var node = new PeerNode(_net, host, name, address, FormattableString.Invariant($"192.0.2.{number}:7891"));
        _nodes.Add(node);
        return node;
    }

    private string Run(params string[] arguments) => _anywhere.Run(new Command([Repository.Program, .. arguments])).Output;

    private string PathOf(string file) => Path.Combine(_net.TempFolder, file);

    /// <summary>A machine with a node.</summary>
    private sealed class PeerNode(Topology net, Host host, string name, string address, string endpoint)
    {
        public Host Host => host;

        public string Address => address;

        /// <summary>Enters the network by the files of a master's folder, or one file; comes up again without.</summary>
        public void Up(string? ca)
        {
            CommandResult result = ca is null ? Try("up", "--detach")
                : TryUp(Directory.Exists(Path.Combine(net.TempFolder, ca)) ? $"{ca}/master.pem" : ca, $"{name}.pem", $"{name}.keys");
            Assert.True(result.ExitCode == 0, result.Error);
        }

        public CommandResult TryUp(string ca, string certificate, string keys) => Try(
            "up", "--detach", "--network", "demo", "--no-port-mapping", "--listen-port", "7891", "--ca", Path.Combine(net.TempFolder, ca),
            "--cert", Path.Combine(net.TempFolder, certificate), "--key", Path.Combine(net.TempFolder, keys));

        public CommandResult Knock(PeerNode other) => Try("knock", other.Endpoint);

        public void AwaitReach(PeerNode other) => Wait.Until(
            () => Ping.Run(host, other.Address, count: 1, patience: Ping.Brief).AllReceived, Patience, $"an answer from {other.Address} to {name}");

        public CommandResult Try(params string[] arguments) => host.TryRun(new Command([Repository.Program, .. arguments])
        {
            Environment = new Dictionary<string, string>
            {
                ["KEDGE_STATE_DIR"] = Path.Combine(net.TempFolder, $"{name}-state"),
                ["KEDGE_RUN_DIR"] = Path.Combine(net.TempFolder, $"{name}-run"),
                ["KEDGE_RUNTIME_DIR"] = Path.Combine(net.TempFolder, $"{name}-wg"),
            },
        });

        private string Endpoint => endpoint;
    }
}
