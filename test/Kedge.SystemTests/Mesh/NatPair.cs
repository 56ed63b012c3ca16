using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Kedge.Demo;
using Kedge.Demo.Nat;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Mesh;

/// <summary>
/// Two nodes in a zone of their own, each behind a gateway, or behind one of both. Whoever makes it disposes it, which ends the nodes; the
/// machines stay until the network ends.
/// </summary>
internal sealed class NatPair : IDisposable
{
    private static int s_last;

    private readonly MeshNetwork _mesh;
    private readonly string _name = string.Create(CultureInfo.InvariantCulture, $"pair{Interlocked.Increment(ref s_last)}");
    private readonly string _joinFile, _joinFileOfIpv6;
    private readonly HashSet<MeshNode> _withoutIpv4 = [];
    private readonly List<MeshNode> _others = [];

    private NatPair(MeshNetwork mesh)
    {
        _mesh = mesh;
        mesh.Administer("zone", "create", _name, "--prefix", "10.77.0.0/24");
        _joinFile = mesh.WriteToken("--zone", _name, "--reusable");
        _joinFileOfIpv6 = mesh.AtIpv6(_joinFile);
        A = B = null!;
    }

    /// <summary>The node that is up first.</summary>
    public MeshNode A { get; private set; }

    /// <summary>The node that comes up when the other is.</summary>
    public MeshNode B { get; private set; }

    /// <summary>The gateway of <see cref="A"/>, the nearest one; null where there is none.</summary>
    public Gateway? GatewayOfA { get; private set; }

    /// <summary>The gateway of <see cref="B"/>, the nearest one; null where there is none.</summary>
    public Gateway? GatewayOfB { get; private set; }

    /// <summary>Two nodes at two places.</summary>
    /// <param name="mesh">The network; its switch is the internet.</param>
    /// <param name="a">Where one is.</param>
    /// <param name="b">Where the other is.</param>
    /// <param name="hops">How many routers are on the line of each gateway.</param>
    public static NatPair Create(MeshNetwork mesh, NodePlace a, NodePlace b, int hops = 0)
    {
        var pair = new NatPair(mesh);
        (pair.A, pair.GatewayOfA) = pair.AddNode("a", a, hops);
        (pair.B, pair.GatewayOfB) = pair.AddNode("b", b, hops);
        return pair;
    }

    /// <summary>Two nodes at two places, which reach each other.</summary>
    public static NatPair Connected(MeshNetwork mesh, NodePlace a, NodePlace b)
    {
        NatPair pair = Create(mesh, a, b);
        pair.AssertConnects();
        return pair;
    }

    /// <summary>Two nodes on one network inside.</summary>
    public static NatPair CreateInOneHome(MeshNetwork mesh, GatewaySettings settings)
    {
        var pair = new NatPair(mesh);
        Gateway gateway = mesh.Internet!.AddGateway($"{pair._name}-home", settings);
        (pair.GatewayOfA, pair.GatewayOfB) = (gateway, gateway);
        (pair.A, pair.B) = (pair.NewNode(gateway.AddHost($"{pair._name}-a")), pair.NewNode(gateway.AddHost($"{pair._name}-b")));
        return pair;
    }

    /// <summary>Two nodes in two homes of one carrier.</summary>
    public static NatPair CreateBehindOneCgn(MeshNetwork mesh, GatewaySettings carrier)
    {
        var pair = new NatPair(mesh);
        Gateway cgn = mesh.Internet!.AddGateway($"{pair._name}-cgn", carrier);
        (pair.GatewayOfA, pair.GatewayOfB) = (cgn.AddGateway($"{pair._name}-ga"), cgn.AddGateway($"{pair._name}-gb"));
        pair.A = pair.NewNode(pair.GatewayOfA.AddHost($"{pair._name}-a"));
        pair.B = pair.NewNode(pair.GatewayOfB.AddHost($"{pair._name}-b"));
        return pair;
    }

    /// <summary>
    /// Brings up one node and then the other, which pings the first one from the moment at which it says that it is up.
    /// </summary>
    /// <param name="patience">How long to wait for an answer.</param>
    public NatPairResult Connect(TimeSpan patience)
    {
        Up(A);
        Up(B);
        long start = Stopwatch.GetTimestamp();
        // From now on, also while there is no answer: what a person who types it would see.
        using RunningProcess ping = B.Host.Start("stdbuf", "-oL", "ping", "-n", "-i", "0.05", "-W", "1", A.Address);
        bool isAnswered = Wait.TryUntil(() => ping.Output.Contains("bytes from", StringComparison.Ordinal), patience);
        TimeSpan taken = Stopwatch.GetElapsedTime(start);
        return new(isAnswered ? taken : null, NodePath.Of(A, B), NodePath.Of(B, A));
    }

    /// <summary>Brings up both nodes, which must reach each other.</summary>
    public void AssertConnects()
    {
        NatPairResult result = Connect(TimeSpan.FromSeconds(10));
        Assert.True(result.AnsweredAfter is not null, $"{result}{Logs()}");
    }

    /// <summary>Brings up both nodes.</summary>
    public void Up()
    {
        Up(A);
        Up(B);
    }

    /// <summary>One more node of the zone, with a public address, which is up.</summary>
    public MeshNode AddPublicNode()
    {
        MeshNode node = AddNode("c", NodePlace.Public, hops: 0).Node;
        _others.Add(node);
        Up(node);
        return node;
    }

    /// <summary>A relay for the zone, with a public address, which is up.</summary>
    public MeshNode AddRelay(params string[] options)
    {
        MeshNode node = AddNode($"r{_others.Count}", NodePlace.Public, hops: 0).Node;
        _others.Add(node);
        node.Up(["--join-file", _mesh.WriteToken("--zone", _name, "--relay"), "--relay", .. options]);
        return node;
    }

    /// <summary>Waits until the second node has made its choice of two paths: after its last pings, or earlier for IPv6.</summary>
    public void AwaitChoice() => Wait.TryUntil(() => !IsByIpv4(), TimeSpan.FromSeconds(4));

    /// <summary>Whether the second node reaches the first by IPv4 now.</summary>
    public bool IsByIpv4() => Endpoint.Parse(NodePath.Of(B, A).Endpoint!).Address.IsIPv4;

    /// <summary>
    /// Has both machines lose all UDP of the family that the second reaches the first by, but for what comes from the controller. The choice
    /// is looked at now: traffic may have moved it.
    /// </summary>
    /// <returns>Whether that was IPv4.</returns>
    public bool DropUdpInUse()
    {
        bool isIpv4 = IsByIpv4();
        string source = isIpv4 ? $"ip saddr != {MeshNetwork.ControllerAddress}" : $"ip6 saddr != {MeshNetwork.ControllerIpv6}";
        foreach (MeshNode node in (MeshNode[])[A, B])
        {
            node.Host.Run(new Command("nft", "-f", "-")
            {
                Input = $$"""
                    table inet cut {
                        chain input {
                            type filter hook input priority -300; policy accept;
                            iifname != "{{MeshNode.Interface}}" {{source}} meta l4proto udp drop
                        }
                    }

                    """,
            });
        }
        return isIpv4;
    }

    /// <summary>Gives a public node other addresses, as a provider may at any time.</summary>
    public void MoveToAnotherAddress(MeshNode node) => _mesh.MoveToAnotherAddress(node.Host);

    /// <summary>What both nodes have logged, for a test that fails.</summary>
    public string Logs() => string.Concat(((MeshNode[])[A, B]).Select(node =>
        $"\n== {node.Label}: {node.Try("status", MeshNode.Interface).Output}{node.Supervisor?.Output}{node.Supervisor?.Error}"));

    public void Dispose()
    {
        RunningProcess[] ends =
        [
            .. from node in (MeshNode[])[A, B, .. _others]
               select node.Host.Start(node.Call("down", "--interface", MeshNode.Interface)),
        ];
        foreach (RunningProcess end in ends)
            end.WaitForExit(MeshNetwork.Patience);
    }

    private void Up(MeshNode node) => node.Up("--join-file", _withoutIpv4.Contains(node) ? _joinFileOfIpv6 : _joinFile);

    private (MeshNode Node, Gateway? Gateway) AddNode(string side, NodePlace place, int hops)
    {
        string label = $"{_name}-{side}";
        if (place == NodePlace.Public)
            return (NewNode(_mesh.AddHost(label)), null);
        AccessNetwork outside = place == NodePlace.BehindCgn
            ? _mesh.Internet!.AddGateway($"{_name}-c{side}", new() { Hops = hops })
            : _mesh.Internet!;
        Gateway gateway = outside.AddGateway($"{_name}-g{side}", place.ToSettings() with { Hops = hops });
        MeshNode node = NewNode(gateway.AddHost(label));
        if (place == NodePlace.Ipv6Only)
            _withoutIpv4.Add(node);
        return (node, gateway);
    }

    private MeshNode NewNode(Host host) => new(_mesh, host, host.Label);
}

/// <summary>What became of a pair.</summary>
/// <param name="AnsweredAfter">
/// From the moment at which the second node said that it is up to the first answer to its pings; null where none came.
/// </param>
/// <param name="OfA">What the first node says of the path to the second one.</param>
/// <param name="OfB">What the second node says of the path to the first one.</param>
internal sealed record NatPairResult(TimeSpan? AnsweredAfter, NodePath OfA, NodePath OfB)
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"answered after {AnsweredAfter?.TotalSeconds:0.00} s; a: {OfA}; b: {OfB}");
}

/// <summary>What a node says of the path to a peer, in <c>kedge status --json</c>.</summary>
/// <param name="State">Such as <c>direct</c> or <c>waiting</c>; null where it does not know the peer.</param>
/// <param name="Endpoint">Where it reaches the peer; null where it does not.</param>
/// <param name="Text">All that it says.</param>
/// <param name="Relay">Who passes on what is for the peer; null where nobody does.</param>
internal sealed record NodePath(string? State, string? Endpoint, string Text, string? Relay = null)
{
    public static NodePath Of(MeshNode node, MeshNode peer)
    {
        foreach (JsonElement one in node.StatusJson().GetProperty("peers").EnumerateArray())
        {
            if (one.GetProperty("name").GetString() != peer.Label)
                continue;
            JsonElement path = one.GetProperty("path");
            return path.ValueKind == JsonValueKind.Object
                ? new(path.GetProperty("state").GetString(), path.GetProperty("endpoint").GetString(), path.GetRawText(), path.GetProperty("relay").GetString())
                : new(null, null, $"no object: {path.GetRawText()}");
        }
        return new(null, null, "no such peer");
    }

    /// <summary>What was tried and what came of it, in one line.</summary>
    public override string ToString() => Text.ReplaceLineEndings(" ");
}
