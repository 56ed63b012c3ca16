using System.Globalization;
using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>One device with many peers, each a process of wireguard-go on a machine of its own.</summary>
public sealed class ManyPeersTests
{
    private const int Peers = 50, Requests = 10;

    [Fact]
    public void Fifty_peers_are_reached_from_Kedge_and_reach_it_at_the_same_time()
    {
        using Hub hub = Hub.Start(Peers);
        // Half of the handshakes are begun by Kedge.
        for (int i = 0; i < Peers; i++)
        {
            hub.Kedge.Meet(hub.Spokes[i], knowsEndpoint: IsBegunByKedge(i));
            hub.Spokes[i].Meet(hub.Kedge, knowsEndpoint: !IsBegunByKedge(i));
        }

        PingAll(i => IsBegunByKedge(i) ? (hub.Kedge, hub.Spokes[i]) : (hub.Spokes[i], hub.Kedge));
        PingAll(i => IsBegunByKedge(i) ? (hub.Spokes[i], hub.Kedge) : (hub.Kedge, hub.Spokes[i]));

        Dictionary<string, PeerStatus> seen = hub.Kedge.Device.Peers.ToDictionary(peer => peer.PublicKey);
        Assert.Equal(Peers, seen.Count);
        foreach (TunnelEnd spoke in hub.Spokes)
        {
            PeerStatus peer = seen[spoke.Device.Keys.PublicKey];
            Assert.Equal(spoke.Endpoint, peer.Endpoint);
            Assert.NotNull(peer.LatestHandshake);
            // Two pings of 84 bytes a request, in 96 bytes each, with 32 around them.
            Assert.InRange(peer.ReceivedBytes, 2 * Requests * 128, 2 * Requests * 128 + 1000);
            Assert.InRange(peer.SentBytes, 2 * Requests * 128, 2 * Requests * 128 + 1000);
        }
    }

    private static bool IsBegunByKedge(int index) => index % 2 == 0;

    private static void PingAll(Func<int, (TunnelEnd From, TunnelEnd To)> pair)
    {
        var pings = Enumerable.Range(0, Peers)
            .Select(pair)
            .Select(ends => (ends.From, ends.To, Process: Start(ends.From.Host, ends.To.Address)))
            .ToList();
        foreach ((TunnelEnd from, TunnelEnd to, RunningProcess process) in pings)
        {
            CommandResult result = process.WaitForExit(Timeouts.Retry);
            bool allReceived = result.Output.Contains($" {Requests} received", StringComparison.Ordinal);
            Assert.True(allReceived, $"{from} to {to}: {result.Output}{result.Error}");
        }
    }

    private static RunningProcess Start(Host from, string to) =>
        from.Start("ping", "-n", "-q", "-i", "0.3", "-W", "5", "-c", Requests.ToString(CultureInfo.InvariantCulture), to);
}
