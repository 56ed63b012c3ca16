using System.Text.Json;
using Kedge.Demo;

namespace Kedge.SystemTests.Stun;

/// <summary>
/// What <c>kedge netcheck</c> says before a join behind routers of the kernel, by coturn and by our own servers. A router's kind follows
/// from its rules, by the definitions of RFC 4787.
/// </summary>
public sealed class NetcheckTests(StunServers servers) : IClassFixture<StunServers>
{
    private const string Independent = "endpoint-independent", Address = "address-dependent", AddressAndPort = "address-and-port-dependent";

    // Nothing for the router itself, and nothing from outside that no rule lets in.
    private const string Closed =
        """
        chain input {
            type filter hook input priority 0
            ct state new drop
        }
        chain forward {
            type filter hook forward priority 0; policy drop
            ct state established,related accept
            iifname "eth1" accept
            ct status dnat accept
        }
        """;

    // Which port is whose, once it has been translated.
    private const string Learn =
        """
        map eim { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout 120s; size 65535; }
        set seen { type inet_service . ipv4_addr; flags dynamic,timeout; timeout 120s; size 65535; }
        chain learn {
            type filter hook postrouting priority srcnat + 10
            oifname != "eth0" return
            meta l4proto udp ct direction original update @eim { ct reply proto-dst : ct original ip saddr . ct original proto-src }
            meta l4proto udp ct direction original update @seen { ct reply proto-dst . ip daddr }
        }
        """;

    private const string Masquerade =
        """
        chain post {
            type nat hook postrouting priority srcnat
            oifname "eth0" masquerade
        }
        """;

    // A packet that comes back by the inside for the outside, and whose answer must come back through the router as well.
    private const string Hairpin =
        """
        chain hairpin {
            type nat hook postrouting priority srcnat
            iifname "eth1" oifname "eth1" ct status dnat snat ip to WAN
        }
        """;

    [Fact]
    public void Behind_a_full_cone_NAT_with_hairpin_every_peer_reaches_the_node() => Check(
        Rules(Closed, Learn, Masquerade, Hairpin,
            """
            chain pre {
                type nat hook prerouting priority dstnat
                ip daddr WAN meta l4proto udp dnat ip to udp dport map @eim
            }
            """),
        [Independent], [Independent], hairpin: true, "Every peer reaches this node directly");

    [Fact]
    public void Behind_an_address_restricted_NAT_every_kind_of_pair_connects() => Check(
        Rules(Closed, Learn, Masquerade,
            """
            chain pre {
                type nat hook prerouting priority dstnat
                iifname "eth0" meta l4proto udp udp dport . ip saddr @seen dnat ip to udp dport map @eim
            }
            """),
        [Independent], [Address], hairpin: false, "A pair of such nodes connects directly, also with a peer behind");

    [Fact]
    public void Behind_a_port_restricted_NAT_a_pair_connects() => Check(
        Rules(Closed, Masquerade), [Independent], [AddressAndPort], hairpin: false, "A pair of such nodes connects directly; not with");

    [Fact]
    public void Behind_a_symmetric_NAT_only_peers_with_an_open_port_are_reached() => Check(
        Rules(Closed, Masquerade.Replace("masquerade", "masquerade fully-random", StringComparison.Ordinal)),
        [AddressAndPort], [AddressAndPort], hairpin: false, "Only peers with an open port reach this node");

    [Fact]
    public void A_mapping_by_address_is_told_from_a_symmetric_one()
    {
        const int Ports = 10_000; // so that the servers' addresses have the same one hardly ever
        string map = string.Join(", ", Enumerable.Range(0, Ports).Select(i => $"{i} : WAN . {i + 20_000}"));
        Check(
            Rules(Closed,
                $$"""
                chain post {
                    type nat hook postrouting priority srcnat
                    oifname "eth0" meta l4proto udp snat ip to jhash ip saddr . ip daddr . udp sport mod {{Ports}} map { {{map}} }
                }
                """),
            [Address], [AddressAndPort], hairpin: false, "Only peers with an open port reach this node");
    }

    [Fact]
    public void Where_UDP_is_blocked_that_is_said()
    {
        Host host = servers.AddBehind(Rules(Closed.Replace("iifname", "meta l4proto tcp iifname", StringComparison.Ordinal), Masquerade));
        CommandResult result = Netcheck(host, "--stun", StunServers.Coturn);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains($"No server answers: {StunServers.Coturn}. A firewall may drop UDP", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_NAT_both_families_are_told_and_nothing_is_wrong()
    {
        Host host = servers.Attach("direct", out string address);
        CommandResult result = Netcheck(host, "--stun", StunServers.TwoAddresses, "--stun", "2001:db8::11", "--json");
        Assert.True(result.Succeeded, result.Output + result.Error);
        using var json = JsonDocument.Parse(result.Output);
        JsonElement[] families = [.. json.RootElement.GetProperty("nat").EnumerateArray()];
        Assert.Equal(["IPv4", "IPv6"], families.Select(family => family.GetProperty("family").GetString()));
        Assert.All(families, family => Assert.False(family.GetProperty("translated").GetBoolean()));
        Assert.All(families, family => Assert.Equal([Independent], Words(family, "mapping")));
        Assert.All(families, family => Assert.Equal(JsonValueKind.Null, family.GetProperty("hairpin").ValueKind));
        Assert.Equal([Independent], Words(families[0], "filtering"));
        Assert.Equal([Independent, Address], Words(families[1], "filtering")); // its server has one address
        Assert.StartsWith($"{address}:", families[0].GetProperty("reflexive").GetString(), StringComparison.Ordinal);
        Assert.Contains("IPv4: no NAT; filtering endpoint-independent.", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_server_that_cannot_be_is_an_error_and_one_that_does_not_resolve_a_failed_check()
    {
        Host host = servers.Attach("wrong", out _);
        CommandResult result = Netcheck(host, "--stun", "192.0.2.11:99999");
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("--stun is '192.0.2.11:99999', but must be", result.Error, StringComparison.Ordinal);
        result = Netcheck(host, "--stun", "stun.invalid");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("stun.invalid:3478 cannot be resolved", result.Output, StringComparison.Ordinal);
    }

    private void Check(string rules, string[] mapping, string[] filtering, bool hairpin, string meaning)
    {
        Host host = servers.AddBehind(rules);
        string[] asked = [StunServers.Coturn, StunServers.TwoAddresses, StunServers.OneAddress];
        CommandResult[] results = new CommandResult[asked.Length];
        Parallel.For(0, asked.Length, i => results[i] = Netcheck(host, "--stun", asked[i], "--json"));
        for (int i = 0; i < asked.Length; i++)
        {
            using var json = JsonDocument.Parse(results[i].Output);
            JsonElement nat = json.RootElement.GetProperty("nat").EnumerateArray().Single();
            bool hasOne = asked[i] == StunServers.OneAddress;
            Assert.Equal(asked[i], nat.GetProperty("server").GetString());
            Assert.Equal(hasOne ? 1 : 2, nat.GetProperty("serverAddresses").GetInt32());
            Assert.True(nat.GetProperty("translated").GetBoolean());
            Assert.Equal(hasOne ? ByPortAlone(mapping) : mapping, Words(nat, "mapping"));
            Assert.Equal(hasOne ? ByPortAlone(filtering) : filtering, Words(nat, "filtering"));
            Assert.Equal(hairpin, nat.GetProperty("hairpin").GetBoolean());
            if (hasOne)
                continue;
            Assert.Contains(meaning, results[i].Output, StringComparison.Ordinal);
            Assert.Equal(mapping is [Independent] ? 0 : 1, results[i].ExitCode);
        }

        static string[] ByPortAlone(string[] known) => known is [AddressAndPort] ? known : [Independent, Address];
    }

    private static string[] Words(JsonElement nat, string name) =>
        [.. nat.GetProperty(name).EnumerateArray().Select(one => one.GetString()!)];

    private CommandResult Netcheck(Host host, params string[] arguments)
    {
        string folder = Path.Combine(servers.Net.TempFolder, host.Label);
        return host.TryRun(new Command([Repository.Program, "netcheck", .. arguments])
        {
            Environment = new Dictionary<string, string>
            {
                ["KEDGE_STATE_DIR"] = Path.Combine(folder, "state"),
                ["KEDGE_RUN_DIR"] = Path.Combine(folder, "run"),
                ["KEDGE_RUNTIME_DIR"] = Path.Combine(folder, "runtime"),
            },
        });
    }

    private static string Rules(params string[] chains) => $"table ip nat {{\n{string.Join('\n', chains)}\n}}\n";
}
