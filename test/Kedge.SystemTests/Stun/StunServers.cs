using Kedge.Demo;

namespace Kedge.SystemTests.Stun;

/// <summary>
/// STUN servers that can answer from elsewhere (RFC 5780), on one host of a network that others are attached to: coturn and a controller
/// with two addresses each, and a controller with one.
/// </summary>
public sealed class StunServers : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Switch _cables;
    private int _hosts;

    public StunServers()
    {
        Net = Topology.Create();
        try
        {
            _cables = Net.AddSwitch("switch");
            Host host = Net.AddHost("servers");
            _cables.Attach(host, ["192.0.2.11/24", "192.0.2.12/24", "192.0.2.13/24", "2001:db8::11/64"]);
            // Newer ones do it only where they are asked to.
            string help = host.TryRun("turnserver", "--help").Output;
            string[] asked = help.Contains(" --rfc5780", StringComparison.Ordinal) ? ["--rfc5780"] : [];
            host.Start(
            [
                "turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls", "--no-auth", "--log-file", "stdout", "--simple-log",
                "-L", "192.0.2.11", "-L", "192.0.2.12", .. asked,
                "--pidfile", PathOf("turnserver.pid"), "--userdb", PathOf("turnserver.db"),
            ]);
            Start("two", "--listen", "192.0.2.11:8443", "--listen", "192.0.2.12:8443", "--stun-port", "4478");
            Start("one", "--listen", "192.0.2.13:8443", "--listen", "[2001:db8::11]:8443");
            foreach (string port in (string[])["192.0.2.12:3479", "192.0.2.12:4479", "192.0.2.13:3479"])
            {
                Wait.Until(
                    () => host.Run("ss", "-H", "-lun").Output.Contains($"{port} ", StringComparison.Ordinal), Patience, $"UDP {port} open");
            }

            void Start(string name, params string[] options) => host.Start(
            [
                Repository.Program, "controller", "--data-dir", PathOf(name), "--url", "https://192.0.2.11:8443", .. options,
            ]);
        }
        catch
        {
            Net.Dispose();
            throw;
        }
    }

    /// <summary>The servers with two addresses, and the one with one.</summary>
    public const string Coturn = "192.0.2.11:3478", TwoAddresses = "192.0.2.11:4478", OneAddress = "192.0.2.13:3478";

    /// <summary>The network that all is part of.</summary>
    public Topology Net { get; }

    /// <summary>Adds a host that is attached to the servers' network.</summary>
    public Host Attach(string label, out string address)
    {
        int number = Interlocked.Increment(ref _hosts);
        Host host = Net.AddHost($"{label}{number}");
        address = $"192.0.2.{100 + number}";
        _cables.Attach(host, [$"{address}/24", $"2001:db8::{100 + number}/64"]);
        return host;
    }

    /// <summary>Adds a host behind a router that is attached to the servers' network, where it is <c>eth0</c>.</summary>
    /// <param name="rules">The router's rules for nft, in which WAN stands for its address there, and eth1 is the inside.</param>
    public Host AddBehind(string rules)
    {
        Host router = Attach("router", out string address);
        Host host = Net.AddHost($"inside{_hosts}");
        Net.Connect(host, router, ["10.1.0.2/24"], ["10.1.0.1/24"]);
        host.AddRoute("default", "10.1.0.1");
        router.EnableForwarding();
        router.Run(new Command("nft", "-f", "-") { Input = rules.Replace("WAN", address, StringComparison.Ordinal) });
        return host;
    }

    public void Dispose() => Net.Dispose();

    private string PathOf(string name) => Path.Combine(Net.TempFolder, name);
}
