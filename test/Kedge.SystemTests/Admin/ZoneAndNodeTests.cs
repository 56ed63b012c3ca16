using System.Text.Json;
using Kedge.Demo;

namespace Kedge.SystemTests.Admin;

/// <summary>Zones, nodes and leases, as an administrator handles them with the program.</summary>
public sealed class ZoneAndNodeTests(AdministeredController controller) : IClassFixture<AdministeredController>
{
    [Fact]
    public void A_zone_is_created_listed_shown_changed_and_deleted()
    {
        string name = AdministeredController.NewName("zone");

        JsonElement zone = controller.Json("zone", "create", name, "--prefix", "10.7.0.0/16", "--prefix", "fd07::/64", "--description", "The lab");
        controller.Run("zone", "change", name, "--description", "Our lab");

        string id = zone.GetProperty("id").GetString()!;
        JsonElement shown = controller.Json("zone", "show", id);
        Assert.Equal(name, shown.GetProperty("name").GetString());
        Assert.Equal("Our lab", shown.GetProperty("description").GetString());
        Assert.Equal(["10.7.0.0/16", "fd07::/64"], shown.GetProperty("prefixes").EnumerateArray().Select(one => one.GetString()!));
        Assert.Contains(controller.Json("zone", "list").EnumerateArray(), one => one.GetProperty("id").GetString() == id);
        string row = controller.Run("zone", "list").Output.Split('\n').Single(line => line.StartsWith(name, StringComparison.Ordinal));
        Assert.Matches($"^{name} +10.7.0.0/16, fd07::/64 +0 +Our lab$", row);

        controller.Run("zone", "change", name, "--name", name + "-b");
        controller.Run("zone", "delete", name + "-b", "--yes");

        Assert.Contains($"no zone '{id}'", controller.Refusal(1, "zone", "show", id), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_prefixes_of_zones_may_be_the_same_but_their_names_may_not()
    {
        string name = await controller.NewZoneAsync();
        await controller.NewZoneAsync();

        Assert.Contains($"a zone '{name}' already", controller.Refusal(1, "zone", "create", name, "--prefix", "10.8.0.0/24"), StringComparison.Ordinal);
    }

    [Fact]
    public void All_that_a_controller_finds_wrong_is_told_at_once()
    {
        string name = AdministeredController.NewName("zone");

        string error = controller.Refusal(1, "zone", "create", name, "--prefix", "10.7.1.0/16", "--prefix", "127.0.0.0/8");

        Assert.Contains("10.7.0.0/16 would be right", error, StringComparison.Ordinal);
        Assert.Contains("loopback", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_zone_with_nodes_is_deleted_only_by_force()
    {
        string zone = await controller.NewZoneAsync();
        string node = await controller.NewNodeAsync(zone);

        Assert.Contains(node, controller.Refusal(1, "zone", "delete", zone, "--yes"), StringComparison.Ordinal);
        controller.Run("zone", "delete", zone, "--yes", "--force");

        Assert.Contains($"no node '{node}'", controller.Refusal(1, "node", "show", node), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_terminal_nothing_is_deleted_unasked()
    {
        string zone = await controller.NewZoneAsync();
        string node = await controller.NewNodeAsync(zone);

        Assert.Contains("add --yes", controller.Refusal(2, "zone", "delete", zone, "--force"), StringComparison.Ordinal);
        Assert.Contains("add --yes", controller.Refusal(2, "node", "remove", node), StringComparison.Ordinal);

        controller.Run("node", "show", node);
    }

    [Theory]
    [InlineData("n", 1, "Nothing was changed.")]
    [InlineData("", 1, "Nothing was changed.")]
    [InlineData("y", 0, "is removed.")]
    public async Task On_a_terminal_it_asks(string answer, int exitCode, string said)
    {
        string node = await controller.NewNodeAsync(await controller.NewZoneAsync());
        Command call = controller.Call("node", "remove", node);
        string line = string.Join(' ', call.Line);

        CommandResult result = RunningProcess.Run(
            call with { Line = ["script", "--quiet", "--return", "--command", line, "/dev/null"], Input = answer + "\n" });

        Assert.Contains($"Remove node {node}", result.Output, StringComparison.Ordinal);
        Assert.Contains(said, result.Output, StringComparison.Ordinal);
        Assert.Equal(exitCode, result.ExitCode);
    }

    [Fact]
    public async Task A_stock_peer_is_created_renamed_changed_and_removed()
    {
        string zone = await controller.NewZoneAsync();
        string key = WireGuardKeys.Generate().PublicKey;

        JsonElement node = controller.Json(
            "node", "create", "printer", "--zone", zone, "--public-key", key, "--address", "10.7.0.77", "--endpoint", "192.0.2.7:51820",
            "--child-prefix", "192.168.9.0/24", "--tag", "office", "--tag", "paper");

        Assert.Equal(key, node.GetProperty("wireGuardKey").GetString());
        Assert.Equal("10.7.0.77", node.GetProperty("addresses")[0].GetString());
        Assert.Equal("192.168.9.0/24", node.GetProperty("childPrefixes")[0].GetString());
        Assert.Equal("192.0.2.7:51820", node.GetProperty("fixedEndpoint").GetString());
        Assert.Equal(2, node.GetProperty("tags").GetArrayLength());
        string id = node.GetProperty("id").GetString()!;

        Assert.Equal("scanner", controller.Json("node", "rename", id, "scanner").GetProperty("name").GetString());
        JsonElement changed = controller.Json("node", "change", "scanner", "--zone", zone, "--no-tags", "--no-endpoint");
        Assert.Empty(changed.GetProperty("tags").EnumerateArray());
        Assert.False(changed.TryGetProperty("fixedEndpoint", out _));
        changed = controller.Json("node", "change", "scanner", "--zone", zone, "--tag", "attic", "--endpoint", "[2001:db8::7]:51820");
        Assert.Equal("attic", changed.GetProperty("tags")[0].GetString());
        Assert.Equal("[2001:db8::7]:51820", changed.GetProperty("fixedEndpoint").GetString());

        Assert.Contains("scanner", controller.Run("node", "list", "--zone", zone).Output, StringComparison.Ordinal);
        Assert.Single(controller.Json("node", "list", "--zone", zone).EnumerateArray());
        controller.Run("node", "remove", "scanner", "--zone", zone, "--yes");
        Assert.Equal("[]", controller.Run("node", "list", "--zone", zone, "--json").Output.Trim());
    }

    [Fact]
    public async Task A_name_that_two_zones_have_needs_its_zone()
    {
        (string one, string other) = (await controller.NewZoneAsync(), await controller.NewZoneAsync());
        string node = await controller.NewNodeAsync(one);
        controller.Run("node", "create", node, "--zone", other, "--public-key", WireGuardKeys.Generate().PublicKey);

        Assert.Contains("Several zones", controller.Refusal(1, "node", "show", node), StringComparison.Ordinal);
        Assert.Equal(other, controller.Json("node", "show", node, "--zone", other).GetProperty("zoneName").GetString());
    }

    [Fact]
    public async Task Names_and_addresses_that_are_taken_are_refused_in_words()
    {
        string zone = await controller.NewZoneAsync();
        string node = await controller.NewNodeAsync(zone, "10.7.0.9");
        string[] create = ["node", "create", "--zone", zone, "--public-key", WireGuardKeys.Generate().PublicKey];

        Assert.Contains(node, controller.Refusal(1, [.. create, node]), StringComparison.Ordinal);
        Assert.Contains("10.7.0.9", controller.Refusal(1, [.. create, "another", "--address", "10.7.0.9"]), StringComparison.Ordinal);
        Assert.Contains("0.0.0.0/0", controller.Refusal(1, [.. create, "another", "--child-prefix", "0.0.0.0/0"]), StringComparison.Ordinal);
    }

    [Fact]
    public void What_no_zone_is_called_is_refused_by_every_command_that_takes_one()
    {
        string[][] calls =
        [
            ["zone", "show", "nowhere"], ["zone", "delete", "nowhere", "--yes"], ["zone", "change", "nowhere", "--description", "x"],
            ["node", "list", "--zone", "nowhere"], ["lease", "list", "--zone", "nowhere"], ["token", "create", "--zone", "nowhere"],
            ["token", "list", "--zone", "nowhere"], ["lease", "free", "10.200.0.1", "--zone", "nowhere"],
            ["node", "create", "n", "--zone", "nowhere", "--public-key", WireGuardKeys.Generate().PublicKey],
        ];
        Assert.All(calls, call => Assert.Contains("no zone 'nowhere'", controller.Refusal(1, call), StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_stock_peers_file_is_taken_by_wg()
    {
        string zone = await controller.NewZoneAsync();
        WireGuardKeys own = WireGuardKeys.Generate();
        controller.Run("node", "create", "own", "--zone", zone, "--public-key", own.PublicKey, "--address", "10.7.0.1");
        string key = WireGuardKeys.Generate().PublicKey;
        controller.Run(
            "node", "create", "other", "--zone", zone, "--public-key", key, "--address", "10.7.0.2", "--endpoint", "192.0.2.7:51820",
            "--child-prefix", "192.168.9.0/24");

        string[] show = ["node", "show", "own", "--zone", zone, "--wg-config"];
        string empty = controller.Run(show).Output;
        string filled = Path.Combine(controller.Net.TempFolder, "own.conf");
        controller.Run([.. show, "--private-key-file", controller.Net.WriteSecret("own.key", own.PrivateKey + "\n"), "--out", filled]);

        Assert.Contains("Address = 10.7.0.1/32", empty, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(filled));
        Host host = controller.Net.AddHost("own");
        using DeviceProcess device = DeviceProcess.StartWireGuardGo(host);
        CommandResult refused = SetConf(controller.Net.WriteSecret("empty.conf", empty));
        Assert.False(refused.Succeeded);
        Assert.Contains(own.PublicKey, refused.Error, StringComparison.Ordinal);
        CommandResult taken = SetConf(filled);
        Assert.True(taken.Succeeded, taken.Error);
        Assert.Equal(own.PublicKey, host.Run("wg", "show", device.Name, "public-key").Output.Trim());
        Assert.Equal($"{key}\t10.7.0.2/32 192.168.9.0/24", host.Run("wg", "show", device.Name, "allowed-ips").Output.Trim());
        Assert.Equal($"{key}\t192.0.2.7:51820", host.Run("wg", "show", device.Name, "endpoints").Output.Trim());

        CommandResult SetConf(string path)
        {
            string stripped = host.Run("wg-quick", "strip", path).Output;
            return host.TryRun("wg", "setconf", device.Name, controller.Net.WriteSecret("stripped.conf", stripped));
        }
    }

    [Fact]
    public async Task A_stock_peers_file_is_not_filled_with_another_key_and_the_key_is_asked_for_that_file_alone()
    {
        string zone = await controller.NewZoneAsync();
        WireGuardKeys own = WireGuardKeys.Generate(), other = WireGuardKeys.Generate();
        string node = await controller.NewNodeAsync(zone);
        controller.Run("node", "create", "own", "--zone", zone, "--public-key", own.PublicKey);
        string[] show = ["node", "show", "own", "--zone", zone];
        string key = controller.Net.WriteSecret("other.key", other.PrivateKey);
        string file = Path.Combine(controller.Net.TempFolder, "never.conf");

        string refusal = controller.Refusal(1, [.. show, "--wg-config", "--private-key-file", key, "--out", file]);

        Assert.Contains($"the private key of {other.PublicKey}", refusal, StringComparison.Ordinal);
        Assert.Contains($"has the WireGuard key {own.PublicKey}", refusal, StringComparison.Ordinal);
        Assert.DoesNotContain(other.PrivateKey, refusal, StringComparison.Ordinal);
        Assert.False(File.Exists(file));
        Assert.Contains("wg genkey", controller.Refusal(1, [.. show, "--wg-config", "--private-key-file", file]), StringComparison.Ordinal);
        Assert.Contains("add --wg-config", controller.Refusal(2, [.. show, "--private-key-file", key]), StringComparison.Ordinal);
        Assert.Contains("add --wg-config", controller.Refusal(2, ["node", "show", node, "--out", file]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_removed_nodes_addresses_are_seen_in_quarantine_and_can_be_freed()
    {
        string zone = await controller.NewZoneAsync();
        string node = await controller.NewNodeAsync(zone, "10.7.0.9");
        Assert.Equal("held", Lease(zone).GetProperty("status").GetString());

        controller.Run("node", "remove", node, "--zone", zone, "--yes");

        Assert.Equal("quarantined", Lease(zone).GetProperty("status").GetString());
        Assert.Contains("quarantined, free in 24 h", controller.Run("lease", "list", "--zone", zone).Output, StringComparison.Ordinal);
        controller.Run("lease", "free", "10.7.0.9", "--zone", zone);
        Assert.Equal("There are no leases.\n", controller.Run("lease", "list", "--zone", zone).Output);
    }

    [Fact]
    public void Nothing_waits_to_be_signed_in_a_managed_network() =>
        Assert.Equal("No node waits for a certificate.\n", controller.Run("node", "requests").Output);

    [Fact]
    public async Task The_audit_log_says_who_did_what()
    {
        string zone = await controller.NewZoneAsync();

        JsonElement last = controller.Json("audit", "--limit", "1000").EnumerateArray().Last(entry => entry.GetProperty("action").GetString() == "zone.create");

        Assert.Equal("administrator admin", last.GetProperty("actor").GetString());
        Assert.Contains(zone, controller.Run("audit", "--limit", "1000").Output, StringComparison.Ordinal);
    }

    private JsonElement Lease(string zone) => Assert.Single(controller.Json("lease", "list", "--zone", zone).EnumerateArray());
}
