using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kedge.Demo;
using Kedge.Linux.Namespaces;

namespace Kedge.SystemTests.Mesh;

/// <summary>What a person is told of paths by <c>kedge status</c> and <c>kedge ping</c>.</summary>
public sealed partial class PathReportTests(NatMesh mesh) : IClassFixture<NatMesh>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    [Fact]
    public void A_ping_tells_by_which_path_each_answer_came_and_that_the_path_has_changed()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.Public, NodePlace.PortRestricted);
        Assert.NotNull(pair.Connect(Patience).AnsweredAfter);

        string before = pair.GatewayOfB!.Address;
        using RunningProcess ping = pair.A.Host.Start(pair.A.Call("ping", pair.B.Label, "--count", "1000"));
        Wait.Until(() => AnswersVia(ping, before) >= 2, Patience, "two answers by the first path");
        pair.GatewayOfB.ChangeAddress();
        string after = pair.GatewayOfB.Address;
        Wait.Until(() => AnswersVia(ping, after) >= 2, Patience, "two answers by the second path");
        ping.Signal(ProcessSignal.Interrupt);
        CommandResult result = ping.WaitForExit(Patience);

        Assert.Equal(0, result.ExitCode);
        Assert.Contains("packets transmitted", result.Output, StringComparison.Ordinal);
        Assert.Matches($@"The path changed .*from {Regex.Escape(before)}:\d+ direct .*to {Regex.Escape(after)}:\d+ direct", result.Output);
        Assert.All(Answers().Matches(result.Output), answer => Assert.Contains(" via ", answer.Value, StringComparison.Ordinal));
    }

    [Fact]
    public void A_ping_of_the_node_itself_tells_of_no_path()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.Public, NodePlace.Public);
        Assert.NotNull(pair.Connect(Patience).AnsweredAfter);

        CommandResult result = pair.A.Try("ping", pair.A.Label, "--count", "1");

        Assert.True(result.Succeeded, result.Error);
        Assert.DoesNotContain(" via ", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_status_tells_of_a_direct_peer_since_when_and_how_far_it_is()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);
        Assert.NotNull(pair.Connect(Patience).AnsweredAfter);

        string text = pair.A.Try("status", MeshNode.Interface).Output;

        Assert.Matches($@"{pair.B.Label} .* direct +\d+ s ago +{Regex.Escape(pair.GatewayOfB!.Address)}:\d+ +[\d.]+ ms ", text);
        Assert.DoesNotContain("not direct", text, StringComparison.Ordinal);
        Assert.Contains("peers direct", text, StringComparison.Ordinal);
        JsonElement path = Path(pair.A);
        Assert.Equal("direct", path.GetProperty("state").GetString());
        Assert.Equal(0, path.GetProperty("reasons").GetArrayLength());
        Assert.True(path.GetProperty("roundTripMilliseconds").GetDouble() > 0);
        Assert.InRange(DateTimeOffset.UtcNow - path.GetProperty("since").GetDateTimeOffset(), TimeSpan.Zero, TimeSpan.FromMinutes(1));
        JsonElement used = path.GetProperty("candidates").EnumerateArray().Single(
            candidate => candidate.GetProperty("endpoint").GetString() == path.GetProperty("endpoint").GetString());
        Assert.Equal("answered", used.GetProperty("result").GetString());
        Assert.InRange(used.GetProperty("pongs").GetInt32(), 1, used.GetProperty("pings").GetInt32());
    }

    [Fact]
    public void The_status_tells_what_was_tried_and_that_a_NAT_is_in_the_way()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.PortRestricted, NodePlace.SymmetricRandom);
        Assert.Null(pair.Connect(TimeSpan.FromSeconds(8)).AnsweredAfter);

        string text = pair.B.Try("status", MeshNode.Interface).Output;

        Assert.Contains("\nnot direct\n", text, StringComparison.Ordinal);
        Assert.Matches($@"{Regex.Escape(pair.GatewayOfA!.Address)}:\d+ \(as seen from outside\): no answer (yet )?to \d+ pings?\n", text);
        // There is one STUN server, which cannot tell the kind.
        const string Nat = "This node is behind a NAT of unknown kind.";
        Assert.Contains(Nat, text, StringComparison.Ordinal);
        JsonElement reasons = Path(pair.B).GetProperty("reasons");
        Assert.Contains(reasons.EnumerateArray(), reason => reason.GetString()!.StartsWith(Nat, StringComparison.Ordinal));
    }

    [Fact]
    public void The_status_tells_that_a_peer_could_not_be_introduced()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);
        Assert.NotNull(pair.Connect(Patience).AnsweredAfter);
        Assert.True(pair.B.Try("down", "--interface", MeshNode.Interface).Succeeded);

        CommandResult ping = pair.A.Try("ping", pair.B.Label, "--count", "5");
        string text = pair.A.Try("status", MeshNode.Interface).Output;

        Assert.Equal(1, ping.ExitCode);
        Assert.Contains($"There is no path to {pair.B.Label} yet.", ping.Error, StringComparison.Ordinal);
        Assert.Contains("The peer could not be introduced: it is not connected to the controller.", text, StringComparison.Ordinal);
        Assert.True(pair.A.StatusJson().GetProperty("introductions").GetProperty("refused").GetInt64() > 0);
    }

    private static JsonElement Path(MeshNode node) => node.StatusJson().GetProperty("peers").EnumerateArray().Single().GetProperty("path");

    private static int AnswersVia(RunningProcess ping, string address) => Answers().Matches(ping.Output).Count(
        answer => Regex.IsMatch(answer.Value, string.Create(CultureInfo.InvariantCulture, $@" via {Regex.Escape(address)}:\d+ direct$")));

    [GeneratedRegex(@"^.* ttl=.*$", RegexOptions.Multiline)]
    private static partial Regex Answers();
}
