using System.Text.Json;
using Kedge.Demo;
using Kedge.SystemTests.Wg;

namespace Kedge.SystemTests.Admin;

/// <summary>
/// A locked network: its master key is not on the controller, so requests are carried to the key and certificates back. Here with a stock
/// WireGuard peer.
/// </summary>
public sealed class LockedNetworkTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly RunningProcess _controller;
    private readonly Host _host;

    public LockedNetworkTests()
    {
        _host = _net.AddHost("controller");
        Run("ca", "init", Ca);
        _controller = _host.Start(KedgeProgram.Call(
            _net, "controller", "--listen", "127.0.0.1:8443", "--data-dir", PathOf("data"), "--locked", Path.Combine(Ca, "master.pem")));
        _controller.WaitForLine("Ready", KedgeProgram.Patience);
        Run("login", "--data-dir", PathOf("data"));
    }

    private string Ca => PathOf("ca");

    [Fact]
    public void A_node_is_active_once_the_master_key_has_certified_it_and_gone_once_that_revoked_it()
    {
        string key = WireGuardKeys.Generate().PublicKey;
        Run("node", "create", "printer", "--public-key", key, "--tag", "office");
        Assert.Equal("pending", Status());
        Assert.Contains("pending", _host.TryRun(Call("node", "show", "printer", "--wg-config")).Error, StringComparison.Ordinal);
        Assert.Matches("(?m)^printer +default +joining .* office +no$", Run("node", "requests").Output);

        Run("node", "requests", "--out", PathOf("requests.json"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(PathOf("requests.json")));
        Run("ca", "sign", "--ca", Ca, "--expect", $"printer={key}", "--out", PathOf("signed.json"), PathOf("requests.json"));
        Assert.Equal("1 node has a new certificate.\n", Run("node", "certify", PathOf("signed.json")).Output);

        Assert.Equal("active", Status());
        Assert.Contains("[Interface]", Run("node", "show", "printer", "--wg-config").Output, StringComparison.Ordinal);
        Assert.Equal("No node waits for a certificate.\n", Run("node", "requests").Output);

        string certificate = Assert.Single(Directory.GetFiles(Path.Combine(Ca, "issued")));
        Run("ca", "revoke", "--ca", Ca, certificate);
        Assert.Contains("1 node is removed", Run("node", "revoke", Path.Combine(Ca, "revoked.pem")).Output, StringComparison.Ordinal);
        Assert.Equal("[]", Run("node", "list", "--json").Output.Trim());
    }

    [Fact]
    public void Certificates_of_another_master_are_refused_and_change_nothing()
    {
        string key = WireGuardKeys.Generate().PublicKey;
        Run("node", "create", "printer", "--public-key", key);
        Run("node", "requests", "--out", PathOf("requests.json"));
        string other = PathOf("other");
        Run("ca", "init", other);
        string network = Read(Run("node", "requests", "--json").Output)[0].GetProperty("networkId").GetString()!;
        string otherNetwork = System.Text.RegularExpressions.Regex.Match(Run("ca", "show", other).Output, "[A-Za-z0-9_-]{43}").Value;
        string forged = _net.WriteSecret("forged.json", File.ReadAllText(PathOf("requests.json")).Replace(network, otherNetwork, StringComparison.Ordinal));
        Run("ca", "sign", "--ca", other, "--expect", $"printer={key}", "--out", PathOf("signed.json"), forged);

        CommandResult result = _host.TryRun(Call("node", "certify", PathOf("signed.json")));

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("network", result.Error, StringComparison.Ordinal);
        Assert.Equal("pending", Status());
    }

    [Fact]
    public void What_is_no_certificate_is_refused_in_a_sentence()
    {
        string[] wrong = ["", "[]", "{\"certificates\": []}", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"];
        Assert.All(wrong, text =>
        {
            CommandResult result = _host.TryRun(Call("node", "certify", _net.WriteSecret("wrong", text)));

            Assert.Equal(1, result.ExitCode);
            Assert.StartsWith("kedge: ", result.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        });
    }

    public void Dispose()
    {
        _controller.Dispose();
        _net.Dispose();
    }

    private static JsonElement Read(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    private string PathOf(string name) => Path.Combine(_net.TempFolder, name);

    private string Status() => Read(Run("node", "show", "printer", "--json").Output).GetProperty("status").GetString()!;

    private CommandResult Run(params string[] arguments) => _host.Run(Call(arguments));

    private Command Call(params string[] arguments) => KedgeProgram.Call(_net, arguments) with
    {
        Environment = new Dictionary<string, string> { ["KEDGE_LOGIN_FILE"] = PathOf("login.json") },
    };
}
