using Kedge.Demo;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Rosenpass;

/// <summary><c>kedge rp</c>, from keys to packets.</summary>
public sealed class RpTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _a;
    private readonly Host _b;

    public RpTests()
    {
        (_a, _b) = (_net.AddHost("a"), _net.AddHost("b"));
        _net.Connect(_a, _b, ["192.0.2.1/24"], ["192.0.2.2/24"]);
    }

    public void Dispose() => _net.Dispose();

    [Fact]
    public void Two_machines_with_each_others_public_folders_have_a_tunnel()
    {
        foreach (Host host in new[] { _a, _b })
        {
            Call(host, "genkey", SecretOf(host));
            Call(host, "pubkey", SecretOf(host), PublicOf(host));
            Assert.Equal(["pqpk", "wgpk"], Directory.GetFiles(PublicOf(host)).Select(Path.GetFileName).Order());
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(SecretOf(host)));
            string privateKey = File.ReadAllText(Path.Combine(SecretOf(host), "wgsk"));
            string publicKey = host.Run(new Command("wg", "pubkey") { Input = privateKey }).Output.Trim();
            Assert.Equal(publicKey, File.ReadAllText(Path.Combine(PublicOf(host), "wgpk")));
        }
        string deviceOfA = _net.NewInterfaceName(), deviceOfB = _net.NewInterfaceName();
        Start(_b, "dev", deviceOfB, "ip", "10.79.0.2/24", "listen", "192.0.2.2:9999", "peer", PublicOf(_a), "allowed-ips", "10.79.0.1/32");
        Start(
            _a, "dev", deviceOfA, "ip", "10.79.0.1/24",
            "peer", PublicOf(_b), "endpoint", "192.0.2.2:9999", "persistent-keepalive", "25", "allowed-ips", "10.79.0.2/32");

        bool HasAddress() => _a.TryRun("ip", "address", "show", "dev", deviceOfA).Output.Contains("10.79.0.1/24", StringComparison.Ordinal)
            && _a.Run("ip", "-brief", "link", "show", "dev", deviceOfA).Output.Contains(",UP", StringComparison.Ordinal);
        Wait.Until(HasAddress, Timeouts.Retry, "the interface");
        Wait.Until(() => Ping.Run(_a, "10.79.0.2", count: 1, patience: Ping.Brief).AllReceived, Timeouts.Retry, "an answer through the tunnel");
        Assert.Contains("192.0.2.2:10000", _a.Run("wg", "show", deviceOfA, "endpoints").Output, StringComparison.Ordinal);
        Assert.DoesNotContain("(none)", _a.Run("wg", "show", deviceOfA, "preshared-keys").Output, StringComparison.Ordinal);
    }

    private void Start(Host host, params string[] words) =>
        host.Start([Repository.Program, "rp", "exchange", "--state-dir", _net.TempFolder, SecretOf(host), .. words]);

    private static void Call(Host host, params string[] arguments) => host.Run([Repository.Program, "rp", .. arguments]);

    private string SecretOf(Host host) => Path.Combine(_net.TempFolder, $"{host.Label}.secret");

    private string PublicOf(Host host) => Path.Combine(_net.TempFolder, $"{host.Label}.public");
}
