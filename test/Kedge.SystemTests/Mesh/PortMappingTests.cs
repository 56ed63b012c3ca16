using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>A node whose gateway, a real miniupnpd, maps its port.</summary>
public sealed class PortMappingTests : IDisposable
{
    private const string PublicAddress = "5.5.5.5"; // the gateway maps nothing where its address is private or reserved

    private readonly MeshNetwork _mesh = new();

    public void Dispose() => _mesh.Dispose();

    /// <summary>
    /// One NAT gives every destination another port and the other lets in only who was spoken to, so that without the mapping they never meet.
    /// </summary>
    [Fact]
    public void Two_nodes_behind_NATs_that_do_not_let_each_other_in_meet_at_the_mapped_port()
    {
        Host gateway = AddMappingGateway(out MeshNode mapped);
        Host ordinary = _mesh.AddHost("gateway-b");
        MeshNode other = AddBehind(ordinary, "other", "10.2.0", (host, wan, _) => host.Masquerade(wan));
        foreach (Host host in (Host[])[_mesh.ControllerHost, ordinary])
            host.AddRoute($"{PublicAddress}/32", AddressOf(gateway));

        mapped.Up("--join-file", _mesh.JoinFile);
        other.Up("--join-file", _mesh.JoinFile);

        Wait.Until(() => mapped.LinkStatus()!.Endpoints.Any(IsMapped), MeshNetwork.Patience, "a mapped port");
        string rule = $"dnat ip to 10.1.0.2:{mapped.DeviceStatus().ListenPort}";
        Assert.Contains(rule, Mappings(gateway), StringComparison.Ordinal);
        Assert.Contains($"mapped to {PublicAddress}", mapped.Try("status", MeshNode.Interface).Output, StringComparison.Ordinal);
        other.AwaitReach(mapped);
        CommandResult check = mapped.Try("netcheck", "--interface", MeshNode.Interface);
        Assert.Contains("a NAT with mapping address-and-port-dependent", check.Output, StringComparison.Ordinal);
        Assert.Contains("The gateway maps this node's port, so every peer reaches it there.", check.Output, StringComparison.Ordinal);

        Assert.True(mapped.Try("down", "--interface", MeshNode.Interface).Succeeded);
        Wait.Until(() => !Mappings(gateway).Contains(rule, StringComparison.Ordinal), MeshNetwork.Patience, "the mapping's end");
    }

    [Fact]
    public void A_gateway_is_not_asked_where_a_person_says_so()
    {
        Host gateway = AddMappingGateway(out MeshNode node);

        node.Up("--join-file", _mesh.JoinFile, "--no-port-mapping");
        Wait.Until(() => node.LinkStatus()!.Endpoints.Count > 0, MeshNetwork.Patience, "an endpoint");

        Assert.DoesNotContain(node.LinkStatus()!.Endpoints, IsMapped);
        Assert.DoesNotContain("dnat", Mappings(gateway), StringComparison.Ordinal);
    }

    private static bool IsMapped(string endpoint) =>
        endpoint.StartsWith(PublicAddress, StringComparison.Ordinal) && endpoint.EndsWith("(mapped)", StringComparison.Ordinal);

    private static string Mappings(Host gateway) => gateway.Run("nft", "list", "chain", "inet", "filter", "prerouting_miniupnpd").Output;

    private static string AddressOf(Host host) =>
        host.Run("ip", "-4", "-o", "address", "show").Output.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .First(word => word.StartsWith("192.0.2.", StringComparison.Ordinal)).Split('/')[0];

    private Host AddMappingGateway(out MeshNode node)
    {
        Host gateway = _mesh.AddHost("gateway-a");
        node = AddBehind(gateway, "mapped", "10.1.0", (host, wan, lan) =>
        {
            host.AddAddress(wan, $"{PublicAddress}/32");
            host.Run(new Command("nft", "-f", "-") { Input = Ruleset(wan, lan) });
            StartMiniupnpd(host, wan, lan);
        });
        return gateway;
    }

    private MeshNode AddBehind(Host gateway, string label, string network, Action<Host, string, string> setUp)
    {
        string wan = gateway.Interfaces.Single(name => name != "lo");
        Host host = _mesh.Net.AddHost(label);
        Link link = _mesh.Net.Connect(gateway, host, [$"{network}.1/24"], [$"{network}.2/24"]);
        gateway.EnableForwarding();
        setUp(gateway, wan, link.InterfaceOfA);
        host.AddRoute("default", $"{network}.1");
        return new MeshNode(_mesh, host, label);
    }

    private static string Ruleset(string wan, string lan) => $$"""
        table inet filter {
            chain input {
                type filter hook input priority 0; policy accept;
                iifname "{{wan}}" ct state new drop
            }
            chain forward {
                type filter hook forward priority 0; policy drop;
                ct state established,related accept
                iifname "{{lan}}" accept
                jump miniupnpd
            }
            chain miniupnpd { }
            chain prerouting {
                type nat hook prerouting priority -100; policy accept;
                jump prerouting_miniupnpd
            }
            chain prerouting_miniupnpd { }
            chain postrouting {
                type nat hook postrouting priority 100; policy accept;
                jump postrouting_miniupnpd
                oifname "{{wan}}" masquerade random
            }
            chain postrouting_miniupnpd { }
        }
        """;

    private void StartMiniupnpd(Host gateway, string wan, string lan)
    {
        string folder = Directory.CreateDirectory(Path.Combine(_mesh.Net.TempFolder, "miniupnpd")).FullName;
        string configuration = Path.Combine(folder, "miniupnpd.conf");
        File.WriteAllText(configuration, $"""
            ext_ifname={wan}
            ext_ip={PublicAddress}
            listening_ip={lan}
            enable_natpmp=yes
            enable_upnp=no
            ipv6_disable=yes
            http_port=5000
            min_lifetime=5
            max_lifetime=86400
            secure_mode=yes
            system_uptime=no
            lease_file={folder}/leases
            uuid=3f4e5a4e-6f1b-4a6f-9d60-1d9c2f0e5b7a
            upnp_table_name=filter
            upnp_nat_table_name=filter
            upnp_forward_chain=miniupnpd
            upnp_nat_chain=prerouting_miniupnpd
            upnp_nat_postrouting_chain=postrouting_miniupnpd
            allow 1024-65535 10.1.0.0/24 1024-65535
            deny 0-65535 0.0.0.0/0 0-65535
            """);
        gateway.Start("miniupnpd", "-d", "-f", configuration, "-P", $"{folder}/pid").WaitForLine("Listening for NAT-PMP", MeshNetwork.Patience);
    }
}
