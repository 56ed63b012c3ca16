using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Kedge.Crypto.Kem;
using Kedge.Demo;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Bench.PostQuantum;

/// <summary>
/// The program <c>kedge rosenpass</c>: the time from its start to its first key, with a peer that waits for it; and its resident memory by
/// number of peers.
/// </summary>
internal static partial class ExchangeBench
{
    private const int Starts = 7, FewPeers = 1, ManyPeers = 101;
    private const string Responder = "127.0.0.1:9999";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static void Run()
    {
        using var net = Topology.Create();
        Host host = net.AddHost("a");
        foreach (string end in (string[])["a", "b"])
            host.Run(Program("gen-keys", "-p", PathOf(net, $"{end}.public"), "-s", PathOf(net, $"{end}.secret")));
        string[] words = [KemImplementation.Managed, ""];
        foreach (string word in words)
        {
            var environment = new Dictionary<string, string> { [KemImplementation.Variable] = word };
            Sample starts = MeasureStarts(host, environment);
            string title = word.Length > 0 ? word : "the best of this machine";
            Console.WriteLine($"{title,-30}from start to first key, ms: {starts.ToString("F0")}");
        }

        double few = Memory(host, FewPeers), many = Memory(host, ManyPeers);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"resident memory, {FewPeers} and {ManyPeers} peers, MB: {few:F0}, {many:F0}; "
            + $"{(many - few) / (ManyPeers - FewPeers):F2} a peer"));
    }

    private static Sample MeasureStarts(Host host, Dictionary<string, string> environment)
    {
        Topology net = host.Topology;
        using RunningProcess responder = host.Start(Exchange(net, "a", "b", ["listen", Responder], []) with { Environment = environment });
        responder.WaitForLine("port", Patience);
        var milliseconds = new double[Starts];
        for (int i = 0; i < Starts; i++)
        {
            long start = Stopwatch.GetTimestamp();
            using RunningProcess initiator = host.Start(
                Exchange(net, "b", "a", [], ["endpoint", Responder]) with { Environment = environment });
            initiator.WaitForLine("exchanged", Patience);
            milliseconds[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
        return new Sample(milliseconds);
    }

    // Keys of peers that never come are never computed with: any bytes will do.
    private static double Memory(Host host, int peers)
    {
        Topology net = host.Topology;
        var words = new List<string>(OwnKeys(net, "a"));
        for (int i = 0; i < peers; i++)
        {
            string path = PathOf(net, string.Create(CultureInfo.InvariantCulture, $"peer{i}.public"));
            File.WriteAllBytes(path, RandomNumberGenerator.GetBytes(RosenpassKeyFile.PublicKeySize));
            words.AddRange(["peer", "public-key", path]);
        }
        using RunningProcess exchange = host.Start(Program(["exchange", .. words]));
        exchange.WaitForLine("port", Patience);
        string status = File.ReadAllText($"/proc/{exchange.ProcessId}/status");
        return long.Parse(Resident().Match(status).Groups[1].ValueSpan, CultureInfo.InvariantCulture) * 1024 / 1e6;
    }

    private static Command Exchange(Topology net, string own, string peer, string[] listen, string[] endpoint) => Program(
        [
            "exchange", .. OwnKeys(net, own), .. listen,
            "peer", "public-key", PathOf(net, $"{peer}.public"), "outfile", PathOf(net, $"{own}.out"), .. endpoint,
        ]);

    private static string[] OwnKeys(Topology net, string end) =>
        ["public-key", PathOf(net, $"{end}.public"), "secret-key", PathOf(net, $"{end}.secret")];

    private static Command Program(params string[] arguments) =>
        new([Path.Combine(Repository.Root(), "out/kedge"), "rosenpass", .. arguments]);

    private static string PathOf(Topology net, string name) => Path.Combine(net.TempFolder, name);

    [GeneratedRegex(@"VmRSS:\s+(\d+) kB")]
    private static partial Regex Resident();
}
