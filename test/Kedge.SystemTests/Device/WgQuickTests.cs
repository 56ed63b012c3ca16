using System.Globalization;
using Kedge.Demo;
using Kedge.Linux.Udp;

namespace Kedge.SystemTests.Device;

/// <summary>The distribution's wg-quick with a configuration file, and Kedge as the userspace implementation that it starts.</summary>
public class WgQuickTests : IDisposable
{
    private readonly TwoHosts _hosts = new();
    private readonly DeviceProcess _other;
    private readonly WireGuardKeys _keys = WireGuardKeys.Generate();
    private readonly string _presharedKey = WireGuardKeys.GeneratePresharedKey();
    private readonly string _name;

    public WgQuickTests()
    {
        _other = _hosts.StartOther();
        _name = _hosts.Net.NewInterfaceName();
        _other.Set(
            "peer", _keys.PublicKey, "preshared-key", _hosts.Net.WriteSecret("psk", _presharedKey),
            "allowed-ips", $"{TwoHosts.InnerA}/32,{TwoHosts.Inner6A}/128");
        // wg-quick puts its own folder first on the PATH, so what is beside a copy of it is what it finds. On a kernel that has WireGuard
        // it would not need Kedge, so the kernel must seem to lack it: 'ip' says so, and no module can be seen.
        File.Copy(PathOf("wg-quick"), Path.Combine(_hosts.Programs, "wg-quick"));
        string ip = Path.Combine(_hosts.Programs, "ip");
        File.WriteAllText(ip, $"#!/bin/sh\ncase \"$*\" in *\"type wireguard\"*) exit 1 ;; esac\nexec {PathOf("ip")} \"$@\"\n");
        File.SetUnixFileMode(ip, UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }

    private string ConfigurationFile => Path.Combine(_hosts.Net.TempFolder, $"{_name}.conf");

    public void Dispose()
    {
        _hosts.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void Up_makes_the_tunnel_of_a_configuration_file_and_down_removes_all_of_it()
    {
        string up = Path.Combine(_hosts.Net.TempFolder, "up"), down = Path.Combine(_hosts.Net.TempFolder, "down");
        Write($"""
            [Interface]
            PrivateKey = {_keys.PrivateKey}
            Address = {TwoHosts.InnerA}/24, {TwoHosts.Inner6A}/64
            ListenPort = 7001
            MTU = 1380
            PostUp = echo %i > {up}
            PostDown = echo %i > {down}

            [Peer]
            PublicKey = {_other.Keys.PublicKey}
            PresharedKey = {_presharedKey}
            Endpoint = {TwoHosts.OuterB}:{_other.ListenPort}
            AllowedIPs = {TwoHosts.InnerB}/32, {TwoHosts.Inner6B}/128, 172.30.0.0/16
            PersistentKeepalive = 25
            """);
        string before = StateOfA();

        Quick("up");

        _hosts.AwaitTunnel();
        _hosts.AwaitTunnel(TwoHosts.Inner6B);
        int process = Assert.Single(_hosts.ProcessesOfA);
        Assert.Equal("7001\n", _hosts.A.Run("wg", "show", _name, "listen-port").Output);
        Assert.Contains("every 25 seconds", _hosts.A.Run("wg", "show", _name).Output, StringComparison.Ordinal);
        Assert.Contains("mtu 1380", _hosts.A.Ip("link", "show", _name).Output, StringComparison.Ordinal);
        Assert.Contains($"172.30.0.0/16 dev {_name}", _hosts.A.Ip("route", "show").Output, StringComparison.Ordinal);
        Assert.Equal(_name, File.ReadAllText(up).Trim());
        Assert.False(File.Exists(down));
        Assert.Equal($"{TwoHosts.OuterA}:7001", _other.Peers.Single().Endpoint);

        Quick("down");

        TwoHosts.AwaitEnd(process);
        Assert.Equal(_name, File.ReadAllText(down).Trim());
        Assert.Equal("", TwoHosts.Remains(_hosts.A, _name));
        Assert.Equal(before, StateOfA());
    }

    [Fact]
    public void A_running_tunnel_takes_the_changes_of_its_file_and_its_state_can_be_saved()
    {
        Write(Configuration($"{TwoHosts.InnerB}/32"));
        Quick("up");
        _hosts.AwaitTunnel();
        long handshake = Handshake();
        string second = WireGuardKeys.Generate().PublicKey;
        Write($"""
            {Configuration($"{TwoHosts.InnerB}/32, {TwoHosts.Inner6B}/128")}

            [Peer]
            PublicKey = {second}
            AllowedIPs = 172.31.0.0/16
            PersistentKeepalive = 11
            """);

        string stripped = _hosts.Net.WriteSecret("stripped", Quick("strip").Output);
        _hosts.A.Run("wg", "syncconf", _name, stripped);

        // The peer that stayed kept its session: what changed is what it may use.
        _hosts.A.Ip("route", "replace", $"{TwoHosts.Inner6B}/128", "dev", _name);
        _hosts.AwaitTunnel(TwoHosts.Inner6B);
        Assert.Equal(handshake, Handshake());
        Assert.Equal(2, _hosts.A.Run("wg", "show", _name, "peers").Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);

        Quick("save");

        string saved = File.ReadAllText(ConfigurationFile);
        foreach (string line in (string[])[
            $"PrivateKey = {_keys.PrivateKey}", "ListenPort = 7002", $"PresharedKey = {_presharedKey}", $"PublicKey = {second}",
            $"AllowedIPs = {TwoHosts.InnerB}/32, {TwoHosts.Inner6B}/128", "AllowedIPs = 172.31.0.0/16", "PersistentKeepalive = 11"])
        {
            Assert.Contains(line, saved.Split('\n'));
        }

        // And what was saved can be had again.
        int process = Assert.Single(_hosts.ProcessesOfA);
        Quick("down");
        TwoHosts.AwaitEnd(process);
        Quick("up");
        _hosts.AwaitTunnel(TwoHosts.Inner6B);

        long Handshake()
        {
            string[] lines = _hosts.A.Run("wg", "show", _name, "latest-handshakes").Output.Split('\n');
            string line = lines.Single(line => line.StartsWith(_other.Keys.PublicKey, StringComparison.Ordinal));
            return long.Parse(line.Split('\t')[1], CultureInfo.InvariantCulture);
        }
    }

    [Fact]
    public void Up_fails_where_the_port_is_taken_and_leaves_nothing()
    {
        using UdpPort taker = _hosts.A.Namespace.Run(() =>
        {
            var port = new UdpPort();
            port.Open(7002);
            return port;
        });
        Write(Configuration($"{TwoHosts.InnerB}/32"));

        CommandResult up = TryQuick("up");

        Assert.Equal(1, up.ExitCode);
        Assert.Contains("Address already in use", up.Error, StringComparison.Ordinal);
        Wait.Until(() => TwoHosts.Remains(_hosts.A, _name).Length == 0, TwoHosts.Patience, "nothing left");
    }

    [Fact]
    public void With_a_default_route_everything_but_its_own_datagrams_goes_through_the_tunnel()
    {
        const string Elsewhere = "198.51.100.7", Elsewhere6 = "2001:db8:7::7";
        _hosts.B.AddAddress("lo", $"{Elsewhere}/32");
        _hosts.B.AddAddress("lo", $"{Elsewhere6}/128");
        Write(Configuration("0.0.0.0/0, ::/0"));
        string before = StateOfA();

        Quick("up");

        _hosts.AwaitTunnel(Elsewhere);
        _hosts.AwaitTunnel(Elsewhere6);
        Assert.NotEqual("off\n", _hosts.A.Run("wg", "show", _name, "fwmark").Output);
        // A datagram that went back into the tunnel would come out of it again, bigger, for ever.
        Assert.All(Enumerable.Range(0, 3), _ => Assert.True(Ping.Run(_hosts.A, Elsewhere).AllReceived));
        Assert.InRange(TwoHosts.StatusOf(_name).Peers.Single().SentBytes, 100ul, 100_000ul);
        int process = Assert.Single(_hosts.ProcessesOfA);

        Quick("down");

        TwoHosts.AwaitEnd(process);
        Assert.Equal("", TwoHosts.Remains(_hosts.A, _name));
        Assert.Equal(before, StateOfA());
    }

    private static string PathOf(string program) =>
        Environment.GetEnvironmentVariable("PATH")!.Split(':').Append("/usr/sbin")
            .Select(folder => Path.Combine(folder, program)).First(File.Exists);

    private string Configuration(string allowedIps) => $"""
        [Interface]
        PrivateKey = {_keys.PrivateKey}
        Address = {TwoHosts.InnerA}/24, {TwoHosts.Inner6A}/64
        ListenPort = 7002
        [Peer]
        PublicKey = {_other.Keys.PublicKey}
        PresharedKey = {_presharedKey}
        Endpoint = {TwoHosts.OuterB}:{_other.ListenPort}
        AllowedIPs = {allowedIps}
        """;

    private void Write(string configuration)
    {
        File.WriteAllText(ConfigurationFile, configuration + "\n");
        File.SetUnixFileMode(ConfigurationFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private CommandResult Quick(string verb) => _hosts.A.Run(QuickCommand(verb));

    private CommandResult TryQuick(string verb) => _hosts.A.TryRun(QuickCommand(verb));

    private Command QuickCommand(string verb) => new(
        "sh", "-c", "mount -t tmpfs none /sys/module && exec \"$0\" \"$@\"",
        Path.Combine(_hosts.Programs, "wg-quick"), verb, ConfigurationFile)
    {
        Environment = new Dictionary<string, string>
        {
            ["WG_QUICK_USERSPACE_IMPLEMENTATION"] = "kedge-wg",
            ["KEDGE_STATE_DIR"] = _hosts.State,
        },
    };

    /// <summary>The routes, rules and addresses of host a, and its firewall.</summary>
    private string StateOfA() =>
        _hosts.A.Ip("route", "show", "table", "all").Output
        + _hosts.A.Ip("-6", "route", "show").Output
        + _hosts.A.Ip("rule", "show").Output
        + _hosts.A.Ip("-6", "rule", "show").Output
        + _hosts.A.Ip("-o", "address", "show").Output
        + _hosts.A.TryRun("nft", "list", "ruleset").Output;
}
