using System.Text;
using Kedge.Demo;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.SystemTests.Device;

/// <summary>Where a private or a preshared key must not turn up: everywhere but in <c>wg showconf</c> and its like.</summary>
public class SecretTests
{
    [Fact]
    public void No_key_is_in_what_a_device_tells_or_leaves_on_the_machine()
    {
        using var hosts = new TwoHosts();
        DeviceProcess other = hosts.StartOther();
        string presharedKey = WireGuardKeys.GeneratePresharedKey();
        WireGuardKeys keys = WireGuardKeys.Generate();
        DeviceProcess kedge = hosts.StartKedge(other, hosts.Behind("export KEDGE_LOG_LEVEL=verbose"), keys, presharedKey);
        hosts.AwaitTunnel();
        string[] secrets = [keys.PrivateKey, presharedKey];

        // Requests that are refused, with keys in them, are what a log is tempted to repeat.
        foreach (string secret in secrets)
        {
            string hex = Convert.ToHexStringLower(Convert.FromBase64String(secret));
            foreach (string lines in (string[])[$"private_key={hex}\nlisten_port=70000", $"private_key={hex}00", $"no_such_key={hex}"])
                Assert.DoesNotContain("errno=0\n", Wg.UapiClient.Ask(kedge.SocketPath, $"set=1\n{lines}\n\n"), StringComparison.Ordinal);
        }
        int process = kedge.Process.ProcessId;
        Dictionary<string, string> places = new()
        {
            ["kedge status"] = hosts.A.Run(Repository.Program, "status", kedge.Name).Output,
            ["kedge status --json"] = hosts.A.Run(Repository.Program, "status", kedge.Name, "--json").Output,
            ["kedge_get"] = Wg.UapiClient.Ask(kedge.SocketPath, "kedge_get=1\n\n"),
            ["the command line"] = File.ReadAllText($"/proc/{process}/cmdline"),
            ["the environment"] = File.ReadAllText($"/proc/{process}/environ"),
        };
        string[] states = Directory.GetFiles(hosts.Net.TempFolder, "timestamp-*");
        string state = Assert.Single(states);
        places["the state file"] = state + "\n" + File.ReadAllText(state);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(state));

        CommandResult end = TwoHosts.End(kedge);

        Assert.Equal(0, end.ExitCode);
        places["the log"] = end.Output + end.Error;
        Assert.Contains("Refused a configuration request", places["the log"], StringComparison.Ordinal);
        Assert.Contains("Carried out a configuration request", places["the log"], StringComparison.Ordinal);
        Assert.Contains(keys.PublicKey, places["kedge status --json"], StringComparison.Ordinal);
        foreach ((string place, string text) in places)
        {
            foreach (string spelling in secrets.SelectMany(Spellings))
                Assert.False(text.Contains(spelling, StringComparison.OrdinalIgnoreCase), $"A key is in {place}:\n{text}");
        }
    }

    [Fact]
    public void Who_shows_a_status_holds_no_keys()
    {
        using var hosts = new TwoHosts();
        DeviceProcess other = hosts.StartOther();
        DeviceProcess kedge = hosts.StartKedge(other, presharedKey: WireGuardKeys.GeneratePresharedKey());

        using DeviceStatus status = TwoHosts.StatusOf(kedge.Name);

        Assert.Null(status.PrivateKey);
        Kedge.Protocol.WireGuard.Uapi.PeerStatus peer = Assert.Single(status.Peers);
        Assert.True(peer.HasPresharedKey);
        Assert.Null(peer.PresharedKey);
    }

    /// <summary>A key as text, whole and in its first half: base64 with both alphabets, and hexadecimal.</summary>
    private static IEnumerable<string> Spellings(string key)
    {
        string hex = Convert.ToHexString(Convert.FromBase64String(key));
        yield return key[..20];
        yield return key[..20].Replace('+', '-').Replace('/', '_');
        yield return hex[..24];
        yield return BitConverter.ToString(Encoding.Latin1.GetBytes(key), 0, 12);
    }
}
