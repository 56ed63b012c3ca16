using System.Globalization;
using System.Text;
using Kedge.Demo.Nat;

namespace Kedge.SystemTests.Mesh;

/// <summary>Which pairs of nodes meet through their NATs, and how soon. What each NAT does is proven by tests of its own.</summary>
public sealed class NatMatrixTests(NatMesh mesh) : IClassFixture<NatMesh>
{
    // To reach are 1.5 s from the line that says that a node is up; the machine that runs tests has much else to do.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(3);

    // By the controller, where UDP is blocked.
    private static readonly TimeSpan LimitOfStreams = TimeSpan.FromSeconds(5);

    // How long to wait in order to tell a pair that is late from one that never meets.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    // While endpoints are tried, between two tries, and where nobody has asked for a path yet.
    private static readonly string?[] s_withoutPath = ["connecting", "waiting", "idle", "none"];

    [Theory]
    [InlineData(NodePlace.PortRestricted, NodePlace.PortRestricted, 0)]
    [InlineData(NodePlace.PortRestricted, NodePlace.PortRestricted, 3)] // six routers on the two lines, and the internet's
    [InlineData(NodePlace.AcceptsInInput, NodePlace.AcceptsInInput, 0)]
    [InlineData(NodePlace.AcceptsInInput, NodePlace.AcceptsInInput, 3)]
    [InlineData(NodePlace.BehindCgn, NodePlace.AcceptsInInput, 1)]
    [InlineData(NodePlace.PortRestrictedRemapping, NodePlace.PortRestricted, 0)]
    [InlineData(NodePlace.SymmetricRandom, NodePlace.FullCone, 0)]
    [InlineData(NodePlace.AddressRestricted, NodePlace.SymmetricSequential, 0)]
    [InlineData(NodePlace.Mapped, NodePlace.SymmetricRandom, 0)]
    [InlineData(NodePlace.PortRestricted, NodePlace.Public, 0)]
    [InlineData(NodePlace.DualStack, NodePlace.DualStack, 0)]
    [InlineData(NodePlace.Ipv6Only, NodePlace.Ipv6Only, 1)]
    [InlineData(NodePlace.SymmetricRandom, NodePlace.PortRestricted, 0)]
    [InlineData(NodePlace.Ipv6Only, NodePlace.PortRestricted, 0)]
    [InlineData(NodePlace.Public, NodePlace.UdpBlocked, 0)]
    public void A_pair_is_direct_wherever_NATs_allow_it(NodePlace a, NodePlace b, int hops)
    {
        using var pair = NatPair.Create(mesh.Network, a, b, hops);

        Check(pair, NodePlaces.WhyNotDirect(a, b));
    }

    [Fact]
    public void Nodes_of_one_home_are_direct_by_their_local_addresses()
    {
        using var pair = NatPair.CreateInOneHome(mesh.Network, new GatewaySettings());

        NatPairResult result = Check(pair, whyNot: null);

        Assert.StartsWith("192.168.1.", result.OfA.Endpoint, StringComparison.Ordinal);
        Assert.StartsWith("192.168.1.", result.OfB.Endpoint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Two_homes_of_a_carrier_are_direct_where_it_hairpins(bool hairpins)
    {
        using var pair = NatPair.CreateBehindOneCgn(mesh.Network, new() { Kind = NatKind.FullCone, Hairpins = hairpins });

        Check(pair, hairpins ? null : "the carrier's NAT does not hairpin");
    }

    /// <summary>Each place with each other one, and the table of docs/nat.md below out/.</summary>
    [Fact]
    [Trait("Category", "Soak")]
    public void The_whole_matrix_is_as_NATs_allow_it()
    {
        NodePlace[] places = Enum.GetValues<NodePlace>();
        var table = new StringBuilder(
            $"| | {string.Join(" | ", places)} |\n|---{string.Concat(Enumerable.Repeat("|---", places.Length))}|\n");
        List<string> wrong = [];
        foreach (NodePlace a in places)
        {
            table.Append(CultureInfo.InvariantCulture, $"| {a} |");
            // Their own network for each row, so that what is left of pairs before slows nobody down.
            using var row = MeshNetwork.OnInternet();
            foreach (NodePlace b in places)
            {
                table.Append(b < a ? "  |" : $" {Cell(row, a, b)} |");
            }
            table.Append('\n');
        }
        Directory.CreateDirectory(Repository.PathOf("out"));
        File.WriteAllText(Repository.PathOf("out/nat-matrix.md"), table.ToString());
        Assert.True(wrong.Count == 0, $"{string.Join('\n', wrong)}\n{table}");

        string Cell(MeshNetwork network, NodePlace a, NodePlace b)
        {
            using var pair = NatPair.Create(network, a, b, hops: 1);
            string? whyNot = NodePlaces.WhyNotDirect(a, b);
            NatPairResult result = pair.Connect(PatienceFor(whyNot));
            if (Fault(result, whyNot) is { } fault)
                wrong.Add($"{a} and {b}: {fault}");
            return result.AnsweredAfter is { } taken ? string.Create(CultureInfo.InvariantCulture, $"{taken.TotalSeconds:0.00} s") : "no";
        }
    }

    private static NatPairResult Check(NatPair pair, string? whyNot)
    {
        NatPairResult result = pair.Connect(PatienceFor(whyNot));
        if (Fault(result, whyNot) is { } fault)
            Assert.Fail(fault + pair.Logs());
        return result;
    }

    private static TimeSpan PatienceFor(string? whyNot) => whyNot is null or NodePlaces.UdpIsBlocked or NodePlaces.FamiliesDoNotMeet ? Patience : Limit;

    /// <summary>What is not as it should be; null for nothing.</summary>
    private static string? Fault(NatPairResult result, string? whyNot)
    {
        if (whyNot is NodePlaces.UdpIsBlocked or NodePlaces.FamiliesDoNotMeet)
        {
            return result.AnsweredAfter is null ? $"never met, though there is the controller: {result}"
                : result.OfA.State != "relayed" || result.OfB.State != "relayed" ? $"is not reached by the controller: {result}"
                : result.AnsweredAfter > LimitOfStreams ? $"met too late: {result}"
                : null;
        }
        if (whyNot is not null)
        {
            return result.AnsweredAfter is not null ? $"is direct, although {whyNot}: {result}"
                : s_withoutPath.Contains(result.OfA.State) && s_withoutPath.Contains(result.OfB.State) ? null
                : $"does not say that there is no path, although {whyNot}: {result}";
        }
        return result.AnsweredAfter is null ? $"never met: {result}"
            : result.OfA.State != "direct" || result.OfB.State != "direct" ? $"does not say that it is direct: {result}"
            : result.AnsweredAfter > Limit ? $"met too late: {result}"
            : null;
    }
}
