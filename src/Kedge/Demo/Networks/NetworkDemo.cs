using System.Diagnostics;
using System.Globalization;
using Kedge.Demo.Nat;

namespace Kedge.Demo.Networks;

/// <summary>
/// <c>kedge demo p2p</c>: a network without a controller, from its master key to TCP between two nodes that were introduced by one knock, and a
/// third one behind a NAT that they find. Takes
/// less than a minute and leaves nothing behind. Needs root.
/// </summary>
/// <param name="program">The path of the program <c>kedge</c>.</param>
/// <param name="report">Where it tells what it sees.</param>
public sealed class NetworkDemo(string program, DemoReport report)
{
    private const string Prefix = "10.44.0.0/24";
    private static readonly TimeSpan TransferTime = TimeSpan.FromSeconds(2);

    /// <summary>Runs the demo to its end.</summary>
    /// <returns>Whether all checks passed.</returns>
    public bool Run()
    {
        report.Say(
            $"""
            Machines made of network namespaces on one switch, and nobody runs a controller. 'keeper' has the master key of a network with
            the addresses {Prefix}. 'alice', 'bob' and 'carol' get certificates from it, and carol is behind a NAT; 'mallory' has a network of her
            own that looks the same.
            """);
        long start = Stopwatch.GetTimestamp();
        using var net = Topology.Create();
        var internet = new Internet(net.AddSwitch("internet"));
        using NetworkNode alice = Add("alice", 1), bob = Add("bob", 2), mallory = Add("mallory", 3);
        Host home = internet.AddGateway("home", new GatewaySettings()).AddHost("carol");
        using var carol = new NetworkNode(home, program, "10.44.0.4", "");
        Host keeper = net.AddHost("keeper");
        MasterKey network = null!;

        bool isReady = report.Check("kedge ca init", () =>
        {
            network = new MasterKey(keeper, program, "home", Prefix);
            var hers = new MasterKey(keeper, program, "hers", Prefix);
            hers.Certify(mallory);
            mallory.Enter(hers.Certificate);
            return "the master key certifies, and never leaves its machine";
        });
        foreach (NetworkNode node in isReady ? new[] { alice, bob, carol } : [])
        {
            isReady &= report.Check($"{node.Host}: cert request, ca sign", () =>
            {
                network.Certify(node);
                return $"keys stay on the node, {node.Address} is certified for it";
            });
            isReady &= report.Check($"{node.Host}: kedge up --network", () =>
            {
                node.Enter(network.Certificate);
                return "up, and knows nobody yet";
            });
        }
        if (!isReady)
            return report.Conclude(Stopwatch.GetElapsedTime(start));

        report.Say("Nobody has told alice of bob, so she cannot reach him. One knock by either of the two changes that for both:");
        report.Check("before the knock", () => Ping.Run(alice.Host, bob.Address, count: 1, patience: Ping.Brief).Received == 0
            ? "no answer, as it should be"
            : throw new DemoException("there is an answer"));
        report.Check($"kedge knock {bob.Endpoint}", () => alice.Run("knock", bob.Endpoint).Trim());
        report.Check("alice pings bob", () => TunnelChecks.Reach(alice.Host, bob.Address));
        report.Check("bob pings alice", () => TunnelChecks.Reach(bob.Host, alice.Address));
        report.Check("TCP from alice to bob", () => TunnelChecks.Transfer(alice.Host, bob.Host, bob.Address, TransferTime));

        report.Say("Carol is introduced to bob, and to nobody else. Who looks for her finds her through bob, and the first packet arrives:");
        report.Check($"carol: kedge knock {bob.Endpoint}", () => carol.Run("knock", bob.Endpoint).Trim());
        report.Check("alice pings carol, once", () => Ping.Run(alice.Host, carol.Address, count: 1) is { AllReceived: true } ping
            ? string.Create(CultureInfo.InvariantCulture, $"answered after {ping.Mean.TotalMilliseconds:0} ms, through carol's NAT")
            : throw new DemoException("there is no answer"));
        report.Check("TCP from carol to alice", () => TunnelChecks.Transfer(carol.Host, alice.Host, alice.Address, TransferTime));

        report.Say("Who has another master key gets no answer at all, and who was introduced once is remembered:");
        report.Check("mallory knocks at alice", () => mallory.Knock(alice) is { Succeeded: false } refusal
            ? refusal.Error.Trim()
            : throw new DemoException("she was let in"));
        report.Check("alice down, and up again", () =>
        {
            alice.Run("down");
            alice.Up();
            Wait.Until(
                () => Ping.Run(alice.Host, bob.Address, count: 1, patience: Ping.Brief).AllReceived, TimeSpan.FromSeconds(20), "an answer from bob");
            return "she reaches bob without another knock";
        });
        return report.Conclude(Stopwatch.GetElapsedTime(start));

        NetworkNode Add(string name, int number)
        {
            Host host = net.AddHost(name);
            string underlay = FormattableString.Invariant($"192.0.2.{number}");
            internet.Attach(host, number);
            return new NetworkNode(host, program, FormattableString.Invariant($"10.44.0.{number}"), underlay);
        }
    }
}
