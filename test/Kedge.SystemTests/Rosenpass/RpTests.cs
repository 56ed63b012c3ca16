using Kedge.Demo;
using Kedge.Linux.Namespaces;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Rosenpass;

/// <summary><c>kedge rp</c>, from keys to packets.</summary>
public sealed class RpTests : IClassFixture<RpTests.Keys>, IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly Keys _keys;
    private readonly Topology _net = Topology.Create();
    private readonly Host _a;
    private readonly Host _b;
    private readonly string _deviceOfA;
    private readonly string _deviceOfB;

    public RpTests(Keys keys)
    {
        _keys = keys;
        (_a, _b) = (_net.AddHost("a"), _net.AddHost("b"));
        _net.Connect(_a, _b, ["192.0.2.1/24", "fe90::1/64"], ["192.0.2.2/24", "fe90::2/64"]);
        (_deviceOfA, _deviceOfB) = (_net.NewInterfaceName(), _net.NewInterfaceName());
    }

    public void Dispose() => _net.Dispose();

    [Fact]
    public void Folders_have_the_keys_that_belong_together_and_the_secret_ones_are_the_owners()
    {
        Assert.Equal(["pqpk", "pqsk", "wgsk"], Directory.GetFiles(SecretOf(_a)).Select(Path.GetFileName).Order());
        Assert.Equal(["pqpk", "wgpk"], Directory.GetFiles(PublicOf(_a)).Select(Path.GetFileName).Order());
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(SecretOf(_a)));
        string privateKey = File.ReadAllText(Path.Combine(SecretOf(_a), "wgsk"));
        string publicKey = _a.Run(new Command("wg", "pubkey") { Input = privateKey }).Output.Trim();
        Assert.Equal(publicKey, File.ReadAllText(Path.Combine(PublicOf(_a), "wgpk")));
    }

    [Fact]
    public void Two_machines_with_each_others_public_folders_have_a_tunnel()
    {
        Start(_b, "dev", _deviceOfB, "ip", "10.79.0.2/24", "listen", "192.0.2.2:9999", "peer", PublicOf(_a), "allowed-ips", "10.79.0.1/32");
        Start(
            _a, "dev", _deviceOfA, "ip", "10.79.0.1/24",
            "peer", PublicOf(_b), "endpoint", "192.0.2.2:9999", "persistent-keepalive", "25", "allowed-ips", "10.79.0.2/32");

        AwaitAnswer("10.79.0.2");
        Assert.Contains("10.79.0.1/24", _a.Run("ip", "address", "show", "dev", _deviceOfA).Output, StringComparison.Ordinal);
        Assert.Equal($"{PeerOf(_b)}\t192.0.2.2:10000\n", _a.Run("wg", "show", _deviceOfA, "endpoints").Output);
        Assert.Equal($"{PeerOf(_b)}\t25\n", _a.Run("wg", "show", _deviceOfA, "persistent-keepalive").Output);
        Assert.Equal("10000\n", _b.Run("wg", "show", _deviceOfB, "listen-port").Output);
        string presharedKey = _a.Run("wg", "show", _deviceOfA, "preshared-keys").Output.Trim().Split('\t')[1];
        Assert.Equal($"{PeerOf(_a)}\t{presharedKey}\n", _b.Run("wg", "show", _deviceOfB, "preshared-keys").Output);
    }

    [Fact]
    public void Names_that_nobody_resolves_delay_neither_the_other_peers_nor_the_end()
    {
        const int Unresolved = 10;
        _a.Ip("neighbor", "add", "192.0.2.250", "lladdr", "02:00:00:00:00:01", "dev", "eth0"); // of a name server that never answers
        string resolver = Path.Combine(_net.TempFolder, "resolv.conf"), others = Path.Combine(_net.TempFolder, "others");
        File.WriteAllText(resolver, "nameserver 192.0.2.250\n");
        Start(_b, "dev", _deviceOfB, "ip", "10.79.0.2/24", "listen", "192.0.2.2:9999", "peer", PublicOf(_a), "allowed-ips", "10.79.0.1/32");
        List<string> words = [];
        for (int i = 0; i < Unresolved; i++)
        {
            Directory.CreateDirectory($"{others}/{i}");
            byte[] key = File.ReadAllBytes(Path.Combine(PublicOf(_b), "pqpk"));
            key[0] ^= (byte)(i + 1);
            File.WriteAllBytes($"{others}/{i}/pqpk", key);
            File.WriteAllText($"{others}/{i}/wgpk", _a.Run(new Command("wg", "pubkey") { Input = _a.Run("wg", "genkey").Output }).Output);
            words.AddRange(["peer", $"{others}/{i}", "endpoint", $"host{i}.example.net:9999", "allowed-ips", $"10.80.0.{i}/32"]);
        }

        RunningProcess a = _a.Start(
        [
            "unshare", "--mount", "bash", "-c", "mount --bind \"$1\" /etc/resolv.conf; shift; exec \"$@\"", "bash", resolver,
            Repository.Program, "rp", "exchange", .. Folders, SecretOf(_a), "dev", _deviceOfA, "ip", "10.79.0.1/24", .. words,
            "peer", PublicOf(_b), "endpoint", "192.0.2.2:9999", "allowed-ips", "10.79.0.2/32",
        ]);

        AwaitAnswer("10.79.0.2");
        a.Signal(ProcessSignal.Terminate);
        Assert.Equal(0, a.WaitForExit(Timeouts.Soon).ExitCode);
    }

    [Fact]
    public void What_is_behind_a_peer_is_reached_by_a_route_that_ends_with_the_interface()
    {
        _b.Ip("address", "add", "10.80.0.1/32", "dev", "lo");
        Start(_b, "dev", _deviceOfB, "ip", "10.79.0.2", "listen", "192.0.2.2:9999", "peer", PublicOf(_a), "allowed-ips", "10.79.0.1");
        RunningProcess a = Start(
            _a, "dev", _deviceOfA, "ip", "10.79.0.1",
            "peer", PublicOf(_b), "endpoint", "192.0.2.2:9999", "allowed-ips", "10.79.0.2,10.80.0.0/16,0.0.0.0/0,fd00::/64");

        AwaitAnswer("10.80.0.1");
        Assert.Contains($"fd00::/64 dev {_deviceOfA}", _a.Run("ip", "-6", "route").Output, StringComparison.Ordinal);
        Assert.DoesNotContain("default", _a.Run("ip", "route").Output, StringComparison.Ordinal);
        Assert.Contains("No route to 0.0.0.0/0 is added", a.Error, StringComparison.Ordinal);

        Assert.Equal(0, a.Stop().ExitCode);
        Assert.Equal("192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.1", _a.Run("ip", "route").Output.Trim());
    }

    [Fact]
    public void A_route_of_another_interface_is_not_taken_away()
    {
        RunningProcess a = Start(_a, "dev", _deviceOfA, "peer", PublicOf(_b), "allowed-ips", "192.0.2.0/24");
        CommandResult refused = a.WaitForExit(Timeouts.Soon);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("192.0.2.0/24 is among the allowed IPs, but eth0 has a route to it", refused.Error, StringComparison.Ordinal);
        Assert.Contains("192.0.2.0/24 dev eth0", _a.Run("ip", "route").Output, StringComparison.Ordinal);
        Assert.False(_a.TryRun("ip", "link", "show", "dev", _deviceOfA).Succeeded);
    }

    [Fact]
    public void Link_local_addresses_do_on_the_cable_and_in_the_tunnel()
    {
        Start(
            _b, "dev", _deviceOfB, "ip", "fe90::4/64", "listen", "[fe90::2%eth0]:9999", "peer", PublicOf(_a), "allowed-ips", "fe90::/64");
        Start(
            _a, "dev", _deviceOfA, "ip", "fe90::3/64", "peer", PublicOf(_b), "endpoint", "[fe90::2%eth0]:9999", "allowed-ips", "fe90::/64");

        AwaitAnswer($"fe90::4%{_deviceOfA}");
    }

    [Theory]
    [InlineData(null)]
    [InlineData("V03")]
    public void A_file_says_what_words_do(string? version)
    {
        string lines = version is null ? "" : $"protocol_version = \"{version}\"";
        string[] ofWords = version is null ? [] : ["protocol-version", version];
        string file = _net.WriteSecret(
            "a.toml",
            $"""
            verbose = false
            private_keys_dir = "{SecretOf(_a)}"
            dev = "{_deviceOfA}"
            ip = "10.79.0.1/24"
            [[peers]]
            public_keys_dir = "{PublicOf(_b)}"
            endpoint = "192.0.2.2:9999"
            allowed_ips = "10.79.0.2,10.80.0.0/16"
            {lines}

            """);
        _b.Ip("address", "add", "10.80.0.1/32", "dev", "lo");
        Start(
            _b,
            ["dev", _deviceOfB, "ip", "10.79.0.2/24", "listen", "192.0.2.2:9999",
             "peer", PublicOf(_a), "allowed-ips", "10.79.0.1/32", .. ofWords]);
        _a.Start([Repository.Program, "rp", "exchange-config", .. Folders, file]);

        AwaitAnswer("10.80.0.1");
    }

    [Fact]
    public void All_errors_of_a_file_are_told_at_once()
    {
        string file = _net.WriteSecret("a.toml", "listen = \"192.0.2.1:65535\"\ncolour = \"blue\"\n");
        CommandResult refused = _a.TryRun(Repository.Program, "rp", "exchange-config", file);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains($"{file}, line 1: private_keys_dir: is missing", refused.Error, StringComparison.Ordinal);
        Assert.Contains($"{file}, line 1: listen: '192.0.2.1:65535' has no port from 1 to 65534", refused.Error, StringComparison.Ordinal);
        Assert.Contains($"{file}, line 2: colour: is unknown", refused.Error, StringComparison.Ordinal);
    }

    private void AwaitAnswer(string address) =>
        Wait.Until(() => Answers(address), Timeouts.Retry, $"an answer of {address} through the tunnel");

    // Before the interface is there, ping fails in its own ways.
    private bool Answers(string address) => _a.TryRun("ping", "-n", "-c", "1", "-W", "1", address).Succeeded;

    // It needs no other program.
    private RunningProcess Start(Host host, params string[] words) =>
        host.Start(
            ["env", "PATH=/nonexistent", Repository.Program, "rp", "exchange", .. Folders, SecretOf(host), .. words]);

    private string[] Folders => ["--state-dir", _net.TempFolder, "--run-dir", RunDirectory];

    private string RunDirectory => Path.Combine(_net.TempFolder, "run");

    private string PeerOf(Host host) => File.ReadAllText(Path.Combine(PublicOf(host), "wgpk"));

    private string SecretOf(Host host) => _keys.SecretOf(host.Label);

    private string PublicOf(Host host) => _keys.PublicOf(host.Label);

    /// <summary>The folders that <c>kedge rp genkey</c> and <c>kedge rp pubkey</c> make, of both machines; no test changes them.</summary>
    public sealed class Keys : IDisposable
    {
        private readonly Topology _net = Topology.Create(); // for its folder

        public Keys()
        {
            foreach (string label in new[] { "a", "b" })
            {
                Run("genkey", SecretOf(label));
                Run("pubkey", SecretOf(label), PublicOf(label));
            }
        }

        public void Dispose() => _net.Dispose();

        internal string SecretOf(string label) => Path.Combine(_net.TempFolder, $"{label}.secret");

        internal string PublicOf(string label) => Path.Combine(_net.TempFolder, $"{label}.public");

        private static void Run(params string[] arguments)
        {
            CommandResult result = RunningProcess.Run(new Command([Repository.Program, "rp", .. arguments]));
            Assert.True(result.Succeeded, result.Error);
        }
    }
}
