using Kedge.Bench.Dataplane;
using Kedge.Bench.Fleet;
using Kedge.Bench.Paths;
using Kedge.Bench.PeerToPeer;
using Kedge.Bench.PostQuantum;
using Kedge.Bench.Warp;

// script/bench [NAME]: without a name, all of them, one after the other.
Dictionary<string, Action> benches = new()
{
    ["pq"] = PostQuantumBench.Run,
    ["dataplane"] = DataplaneBench.Run,
    ["control"] = ControlBench.Run,
    ["paths"] = PathsBench.Run,
    ["p2p"] = PeerToPeerBench.Run,
    ["warp"] = WarpBench.Run,
};

// A benchmark calls this program anew where it needs a process in a namespace.
switch (args)
{
    case [Connections.ServeVerb, string address]:
        Connections.Serve(address);
        return 0;
    case [Connections.OpenVerb, string address]:
        Connections.Open(address);
        return 0;
}
string[] names = args.Length == 0 ? [.. benches.Keys] : args;
if (names.FirstOrDefault(name => !benches.ContainsKey(name)) is { } unknown)
{
    Console.Error.WriteLine($"bench: '{unknown}' is not a benchmark; there are: {string.Join(", ", benches.Keys)}.");
    return 2;
}
foreach (string name in names)
    benches[name]();
return 0;
