using Kedge.Control.Identity;
using Kedge.Protocol.Api;

namespace Kedge.Tests.Control;

/// <summary>The file of a stock WireGuard peer.</summary>
public class WireGuardConfigurationTests
{
    [Fact]
    public async Task A_peer_is_sent_to_at_the_best_endpoint_that_is_not_in_what_the_file_itself_leads_into_the_tunnel()
    {
        await using Network network = await Network.CreateAsync();
        string token = await network.CreateTokenAsync(allowedPrefixes: ["203.0.113.0/24", "2001:db8:5::/48"], uses: 0);
        EnrolmentResult site = await new Applicant("site").EnrolAsync(
            network, token, request => request with { ChildPrefixes = ["203.0.113.0/24", "2001:db8:5::/48"] });
        EnrolmentResult inside = await new Applicant("inside").EnrolAsync(network, token);
        EnrolmentResult covered = await new Applicant("covered").EnrolAsync(network, token);
        network.Reached.PeersOf = _ =>
        [
            (site.NodeId, new("203.0.113.1:1", "reflexive")), // its own network, which does not help
            (site.NodeId, new("198.51.100.1:1", "reflexive")),
            (inside.NodeId, new("[2001:db8:5::7]:7", "reflexive")), (inside.NodeId, new("192.0.2.7:7", "fixed")),
            (covered.NodeId, new("203.0.113.9:9", "reflexive")), (covered.NodeId, new("192.168.1.9:9", "local")),
        ];

        Dictionary<string, string> peers = await ReadPeersAsync(network);

        Assert.Contains("Endpoint = 198.51.100.1:1\nPersistentKeepalive = 25\n", peers["site"], StringComparison.Ordinal);
        Assert.Contains("\nEndpoint = 192.0.2.7:7\n", peers["inside"], StringComparison.Ordinal);
        Assert.Contains(
            "# No Endpoint = 203.0.113.9:9: it is in 203.0.113.0/24, which leads into the tunnel.\n", peers["covered"], StringComparison.Ordinal);
        Assert.DoesNotContain("\nEndpoint", peers["covered"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_an_administrator_has_named_comes_first_and_a_peer_that_nobody_knows_where_to_find_has_none()
    {
        await using Network network = await Network.CreateAsync();
        string token = await network.CreateTokenAsync(uses: 0);
        EnrolmentResult named = await new Applicant("named").EnrolAsync(network, token);
        await new Applicant("hidden").EnrolAsync(network, token);
        await network.Registry.ChangeAsync("named", null, new NodeChange { FixedEndpoint = "192.0.2.1:1" }, Network.Administrator);
        network.Reached.PeersOf = _ => [(named.NodeId, new("198.51.100.1:1", "reflexive"))];

        Dictionary<string, string> peers = await ReadPeersAsync(network);

        Assert.Contains("\nEndpoint = 192.0.2.1:1\n", peers["named"], StringComparison.Ordinal);
        Assert.DoesNotContain("Endpoint", peers["hidden"], StringComparison.Ordinal);
    }

    /// <summary>Makes a stock peer, and reads the sections of its file by the names of the peers.</summary>
    private static async Task<Dictionary<string, string>> ReadPeersAsync(Network network)
    {
        await network.Registry.CreateAsync(
            new NodeCreation { Name = "stock", WireGuardKey = new Applicant("stock").WireGuardKey.ToString() }, Network.Administrator);
        string file = new WireGuardConfiguration(network.Store, network.Reached).Of("stock", null);
        return file.Split("[Peer]\n# ")[1..].ToDictionary(section => section[..section.IndexOf('\n', StringComparison.Ordinal)]);
    }
}
