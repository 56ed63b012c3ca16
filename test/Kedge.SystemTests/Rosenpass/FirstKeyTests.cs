using Kedge.Demo;
using Kedge.Linux;
using Kedge.Node.KeyExchange;
using Kedge.Protocol;
using Kedge.Protocol.WireGuard;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Rosenpass;

/// <summary>
/// What a tunnel of <c>kedge rp</c> does around its first exchange, when packets wait for it at both ends. Until then the second machine
/// does not receive what Rosenpass sends.
/// </summary>
public sealed class FirstKeyTests : IClassFixture<RpTests.Keys>, IDisposable
{
    private static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(1);

    private readonly RpTests.Keys _keys;
    private readonly Topology _net = Topology.Create();
    private readonly Host _a, _b;
    private readonly string _deviceOfA, _deviceOfB;

    public FirstKeyTests(RpTests.Keys keys)
    {
        _keys = keys;
        (_a, _b) = (_net.AddHost("a"), _net.AddHost("b"));
        _net.Connect(_a, _b, ["192.0.2.1/24"], ["192.0.2.2/24"]);
        (_deviceOfA, _deviceOfB) = (_net.NewInterfaceName(), _net.NewInterfaceName());
        _b.Run(new Command("nft", "-f", "-")
        {
            Input = """
                table inet before {
                    chain input { type filter hook input priority 0; udp dport 9999 drop; }
                }

                """,
        });
    }

    public void Dispose() => _net.Dispose();

    [Theory]
    [InlineData("0", false)]
    [InlineData("25", false)]
    [InlineData("25", true)]
    public void The_tunnel_answers_within_a_second_of_the_first_exchange_and_nothing_passes_before(string keepalive, bool bothHaveEndpoints)
    {
        using Capture exchange = Capture.Start(_b, "eth0", "udp port 9999"), tunnel = Capture.Start(_b, "eth0", "udp port 10000");
        string[] endpointOfA = bothHaveEndpoints ? ["endpoint", "192.0.2.1:9999"] : [];
        Start(_b, _deviceOfB, "10.79.0.2", "192.0.2.2:9999", _a, ["persistent-keepalive", keepalive, "allowed-ips", "10.79.0.1", .. endpointOfA]);
        Start(
            _a, _deviceOfA, "10.79.0.1", "192.0.2.1:9999", _b,
            ["persistent-keepalive", keepalive, "allowed-ips", "10.79.0.2", "endpoint", "192.0.2.2:9999"]);
        using PingStream fromA = PingStream.Start(_a, "10.79.0.2"), fromB = PingStream.Start(_b, "10.79.0.1");
        exchange.WaitUntil(packets => packets.Count >= 3, Timeouts.Soon, "three attempts to exchange a key");
        Assert.Empty(fromA.Answered.Concat(fromB.Answered));
        Assert.Empty(tunnel.Packets);

        _b.Run("nft", "delete", "table", "inet", "before");

        foreach ((PingStream pings, string device, Host peer) in new[] { (fromA, _deviceOfA, _b), (fromB, _deviceOfB, _a) })
        {
            Wait.Until(() => pings.Answered.Count > 0, Timeouts.Retry, "an answer through the tunnel");
            Instant answered = BootClock.Now;
            Instant exchanged = LastExchange(device, peer)!.Value;
            Assert.InRange(answered - exchanged, TimeSpan.Zero, AtOnce);
        }
    }

    private void Start(Host host, string device, string address, string listen, Host peer, string[] words)
    {
        host.Start(
        [
            Repository.Program, "rp", "exchange", "--state-dir", _net.TempFolder, "--run-dir", RunDirectory, _keys.SecretOf(host.Label),
            "dev", device, "ip", $"{address}/24", "listen", listen, "peer", _keys.PublicOf(peer.Label), .. words,
        ]);
        Wait.Until(
            () => host.Run("ip", "route").Output.Contains(device, StringComparison.Ordinal), Timeouts.Soon, "the interface and its route");
    }

    private Instant? LastExchange(string device, Host peer)
    {
        var key = PublicKey.Parse(File.ReadAllText(Path.Combine(_keys.PublicOf(peer.Label), "wgpk")).Trim());
        return new ExchangeFolder(RunDirectory, device).Read()[key];
    }

    private string RunDirectory => Path.Combine(_net.TempFolder, "run");
}
