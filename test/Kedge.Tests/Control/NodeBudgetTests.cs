using Kedge.Control;
using Kedge.Control.Identity;
using Kedge.Control.Push;
using Kedge.Protocol.Api;

namespace Kedge.Tests.Control;

/// <summary>What one node may cost, and what it cannot do to the others and to the logs.</summary>
public class NodeBudgetTests
{
    private static readonly Guid One = Guid.NewGuid(), Two = Guid.NewGuid();

    private readonly VirtualClock _clock = new();
    private readonly NodeBudget _budget;

    public NodeBudgetTests() => _budget = new NodeBudget(_clock);

    [Theory]
    [InlineData(NodeWork.Report)]
    [InlineData(NodeWork.Change)]
    [InlineData(NodeWork.Stream)]
    [InlineData(NodeWork.Introduction)]
    internal void A_node_that_does_too_much_is_told_when_to_come_back_and_others_are_not(NodeWork work)
    {
        Refusal refusal = SpendAll(One, work);

        Assert.Equal(429, refusal.Status);
        Assert.Contains(One.ToString(), refusal.Message, StringComparison.Ordinal);
        _budget.Spend(Two, work);
        _clock.Advance(refusal.RetryAfter!.Value);
        _budget.Spend(One, work);
        Assert.Throws<Refusal>(() => _budget.Spend(One, work));
        Assert.Equal(2, _budget.RefusedOf(work));
    }

    [Fact]
    public void A_node_may_ask_for_a_hundred_introductions_at_once_and_for_twenty_a_second()
    {
        Assert.Equal(100, SpendUntilRefused());
        for (int second = 0; second < 10; second++)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(20, SpendUntilRefused());
        }
        _budget.Spend(One, NodeWork.Report);

        int SpendUntilRefused() =>
            Enumerable.Range(0, 1000).TakeWhile(_ => Record.Exception(() => _budget.Spend(One, NodeWork.Introduction)) is null).Count();
    }

    [Fact]
    public void A_node_that_reports_too_often_may_still_open_its_stream()
    {
        SpendAll(One, NodeWork.Report);

        _budget.Spend(One, NodeWork.Stream);
    }

    [Fact]
    public void The_lines_that_a_node_writes_into_the_log_are_bounded_and_the_others_counted()
    {
        int logged = Enumerable.Range(0, 100_000).Count(_ => _budget.TryLog(One));

        Assert.InRange(logged, 1, 100);
        Assert.True(_budget.TryLog(Two));
        Assert.Equal([(One, 100_000L - logged)], _budget.TakeLeftOut());
        Assert.Empty(_budget.TakeLeftOut());
    }

    [Fact]
    public async Task A_node_that_changes_its_name_all_the_time_makes_a_bounded_number_of_records_and_the_last_one_wins()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        EnrolmentResult joined = await node.EnrolAsync(network, await network.CreateTokenAsync());
        long before = network.Store.Revision;
        Refusal? refusal = null;
        for (int i = 0; i < 200 && refusal is null; i++)
        {
            node.Name = $"one-{i}";
            refusal = await Record.ExceptionAsync(() => node.EnrolAsync(network, null)) as Refusal;
        }

        Assert.Equal(429, refusal?.Status);
        Assert.InRange(network.Store.Revision - before, 1, 20);
        Assert.Equal("active", (await new Applicant("two").EnrolAsync(network, await network.CreateTokenAsync())).Status);
        network.Clock.Advance(refusal!.RetryAfter!.Value);
        Assert.Equal(node.Name, (await node.EnrolAsync(network, null)).Name);
        Assert.Equal(joined.Addresses, node.Inquire(network).Addresses);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task To_ask_again_for_the_same_leaves_nothing_in_the_audit_log(bool isPending)
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        await EnrolAsync(await network.CreateTokenAsync());
        int before = network.ReadAudit().Count;

        for (int i = 0; i < 20; i++)
        {
            network.Clock.Advance(TimeSpan.FromMinutes(1));
            await EnrolAsync(null);
        }

        Assert.Equal(before, network.ReadAudit().Count);
        node.Name = "other";
        await EnrolAsync(null);
        Assert.Equal(before + 1, network.ReadAudit().Count);

        Task<EnrolmentResult> EnrolAsync(string? token) =>
            node.EnrolAsync(network, token, request => request with { ChildPrefixes = isPending ? ["10.5.0.0/16"] : [] });
    }

    [Fact]
    public void What_is_kept_of_the_records_that_a_node_could_not_use_is_bounded()
    {
        var acknowledgements = new Acknowledgements();
        RefusedResource[] many = [.. Enumerable.Range(0, 1000).Select(i => new RefusedResource($"peer/{i}{new string('x', 400)}", new string('y', 400)))];

        acknowledgements.Take(One, new MapAcknowledgement(Guid.NewGuid(), 5, many));

        MapAcknowledgement kept = acknowledgements.Of(One)!;
        Assert.Equal(5, kept.Revision);
        Assert.InRange(kept.Refused.Sum(one => one.Resource.Length + one.Reason.Length), 1, NodeBudget.MostKept);
    }

    [Fact]
    public async Task The_audit_log_keeps_so_many_entries_and_says_what_it_has_let_go()
    {
        await using Network network = await Network.CreateAsync();
        await AuditAsync(network, 5400);

        await network.Maintenance.RunOnceAsync();
        await network.Maintenance.RunOnceAsync();

        IReadOnlyList<string> audit = network.ReadAudit();
        Assert.Equal(5001, audit.Count);
        Assert.StartsWith("audit.trim ", audit[^1], StringComparison.Ordinal);
        Assert.Contains("more than 5000 entries", audit[^1], StringComparison.Ordinal);
        Assert.Single(audit, entry => entry.StartsWith("audit.trim", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Old_entries_of_the_audit_log_go_but_not_the_latest_thousand()
    {
        await using Network network = await Network.CreateAsync();
        await AuditAsync(network, 600);
        network.Clock.Advance(TimeSpan.FromDays(60));
        await AuditAsync(network, 1500);
        await network.Maintenance.RunOnceAsync();
        Assert.InRange(network.ReadAudit().Count, 2100, 2200);

        network.Clock.Advance(TimeSpan.FromDays(32));
        await network.Maintenance.RunOnceAsync();
        Assert.Equal(1501, network.ReadAudit().Count);
        Assert.Contains("older than 90 days", network.ReadAudit()[^1], StringComparison.Ordinal);

        network.Clock.Set(TimeSpan.FromDays(20_000));
        await network.Maintenance.RunOnceAsync();
        Assert.InRange(network.ReadAudit().Count, 1000, 1010);
    }

    [Theory]
    [InlineData("\u001b[2J\u0007", "'?[2J?'")]
    [InlineData("a\nb\r\u2028c", "'a?b??c'")]
    [InlineData("safe\u202egnp.exe", "'safe?gnp.exe'")]
    [InlineData("\u200bzero\ufeff", "'?zero?'")]
    [InlineData("Grüße, 世界", "'Grüße, 世界'")]
    public void What_others_say_cannot_move_a_terminal_s_cursor(string said, string shown) => Assert.Equal(shown, Values.Show(said));

    [Fact]
    public void What_others_say_is_not_shown_at_any_length() => Assert.InRange(Values.Show(new string('x', 1_000_000)).Length, 10, 200);

    private Refusal SpendAll(Guid node, NodeWork work)
    {
        for (int i = 0; i < 1000; i++)
        {
            if (Record.Exception(() => _budget.Spend(node, work)) is Refusal refusal)
                return refusal;
        }
        throw new InvalidOperationException("A node may do anything.");
    }

    private static Task AuditAsync(Network network, int count) => network.Store.WriteAsync(change =>
    {
        for (int i = 0; i < count; i++)
            change.Audit(Network.Administrator, "test", "test", null, $"{i}");
    });
}
