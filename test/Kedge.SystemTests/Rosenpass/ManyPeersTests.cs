using System.Globalization;
using System.Text;
using Kedge.Crypto.Kem;
using Kedge.Demo;
using Kedge.Node.KeyExchange;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;
using Kedge.SystemTests.Abuse;
using Kedge.SystemTests.Interop;
using Microsoft.Extensions.Logging.Abstractions;
using Exchange = Kedge.Node.KeyExchange.KeyExchange;

namespace Kedge.SystemTests.Rosenpass;

/// <summary>One machine that exchanges keys with many, each of which has an address of its own.</summary>
public sealed class ManyPeersTests : IDisposable
{
    private const int Peers = 100, Port = 9999;
    private const string Node = "192.0.2.1";

    // A public key has 512 KB, and the rest of a peer is little beside it; the program alone takes some 60 MB.
    private const long MostMemory = (80 << 20) + (Peers * (768L << 10));

    private readonly Topology _net = Topology.Create();
    private readonly Host _node;
    private readonly Host _others;
    private readonly List<Exchange> _exchanges = [];

    public ManyPeersTests()
    {
        (_node, _others) = (_net.AddHost("node"), _net.AddHost("others"));
        _net.Connect(_node, _others, [$"{Node}/24"], ["192.0.2.2/24"]);
        _others.Ip("route", "add", "local", "10.66.0.0/16", "dev", "lo");
        _node.AddRoute("10.66.0.0/16", "192.0.2.2");
    }

    public void Dispose()
    {
        foreach (Exchange exchange in _exchanges)
            exchange.Dispose();
        _net.Dispose();
    }

    [Fact]
    public void A_hundred_peers_have_a_key_each()
    {
        (byte[] Public, byte[] Secret)[] keys = NewKeys(1 + Peers);
        DeviceProcess device = DeviceProcess.StartKedge(_node, Repository.Program);
        string[] wireGuardKeys = [.. Enumerable.Range(0, Peers).Select(_ => WireGuardKeys.Generate().PublicKey)];
        AddPeers(device, wireGuardKeys);
        WriteConfiguration(keys, device, wireGuardKeys);

        RunningProcess exchange = _node.Start(
            Repository.Program, "rosenpass", "exchange-config", "--run-dir", PathOf("run"), PathOf("toml"));
        exchange.WaitForLine("Exchanges keys", Timeouts.Retry);
        var node = new StaticPublicKey(keys[0].Public);
        for (int i = 0; i < Peers; i++)
            _exchanges.Add(StartPeer(i, keys[1 + i], node));

        Wait.Until(() => exchange.Output.Split(" exchanged\n").Length > Peers, Timeouts.NoAnswer, "a key for each of the peers");
        Wait.Until(() => PresharedKeys(device).SequenceEqual(OutputKeys()), Timeouts.Retry, "the keys of all peers in WireGuard");
        Assert.Equal(Peers, OutputKeys().Distinct().Count());
        long memory = ProcessFigures.Memory(exchange.ProcessId);
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{memory >> 20} MB, {ProcessFigures.CpuTime(exchange.ProcessId).TotalSeconds:0.0} s of CPU"));
        Assert.True(memory < MostMemory, $"{memory >> 20} MB for {Peers} peers");
    }

    private static (byte[] Public, byte[] Secret)[] NewKeys(int count)
    {
        IKem kem = Kems.McEliece460896;
        var keys = new (byte[] Public, byte[] Secret)[count];
        Parallel.For(0, count, i =>
        {
            keys[i] = (new byte[kem.PublicKeySize], new byte[kem.SecretKeySize]);
            kem.GenerateKeyPair(keys[i].Public, keys[i].Secret);
        });
        return keys;
    }

    private static void AddPeers(DeviceProcess device, string[] publicKeys)
    {
        string peers = string.Concat(publicKeys.Select(key => $"[Peer]\nPublicKey = {key}\n"));
        device.Host.Run(new Command("wg", "addconf", device.Name, "/dev/stdin") { Input = peers });
    }

    /// <summary>The node knows where every second peer is; the others come to it.</summary>
    private void WriteConfiguration((byte[] Public, byte[] Secret)[] keys, DeviceProcess device, string[] wireGuardKeys)
    {
        File.WriteAllBytes(PathOf("public"), keys[0].Public);
        File.WriteAllBytes(PathOf("secret"), keys[0].Secret);
        var configuration = new StringBuilder(
            $"""
            public_key = "{PathOf("public")}"
            secret_key = "{PathOf("secret")}"
            listen = ["{Node}:{Port}"]

            """);
        for (int i = 0; i < Peers; i++)
        {
            File.WriteAllBytes(PathOf($"public.{i}"), keys[1 + i].Public);
            configuration.Append(
                CultureInfo.InvariantCulture,
                $"""
                [[peers]]
                public_key = "{PathOf($"public.{i}")}"
                key_out = "{PathOf($"node.{i}")}"
                device = "{device.Name}"
                peer = "{wireGuardKeys[i]}"
                {(i % 2 == 0 ? $"endpoint = \"{AddressOf(i)}:{Port}\"" : "")}

                """);
        }
        File.WriteAllText(PathOf("toml"), configuration.ToString());
    }

    private Exchange StartPeer(int index, (byte[] Public, byte[] Secret) own, StaticPublicKey node)
    {
        var peer = new KeyExchangePeer(new RosenpassPeerSettings(node, RosenpassDialect.Released), [])
        {
            Endpoint = index % 2 == 0 ? null : EndpointName.TryParse($"{Node}:{Port}"),
            KeyFile = PathOf($"peer.{index}"),
        };
        var pair = new StaticKeyPair(new StaticPublicKey(own.Public), own.Secret);
        var settings = new KeyExchangeSettings(pair, [new Endpoint(IpAddress.Parse(AddressOf(index)), Port)], [peer]);
        Exchange exchange = _others.Namespace.Run(() => new Exchange(settings, _ => { }, NullLogger.Instance));
        exchange.Start();
        return exchange;
    }

    private static List<string> PresharedKeys(DeviceProcess device) =>
        [.. device.Show("preshared-keys").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('\t')[1]).Order()];

    private List<string> OutputKeys() => [.. Enumerable.Range(0, Peers).Select(i => File.ReadAllText(PathOf($"peer.{i}"))).Order()];

    private static string AddressOf(int index) => string.Create(CultureInfo.InvariantCulture, $"10.66.0.{1 + index}");

    private string PathOf(string name) => Path.Combine(_net.TempFolder, name);
}
