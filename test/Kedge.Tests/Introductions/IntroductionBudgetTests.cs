using Kedge.Control.Introductions;
using Kedge.Tests.Control;

namespace Kedge.Tests.Introductions;

public class IntroductionBudgetTests
{
    private static readonly Guid Victim = Guid.NewGuid();

    private readonly VirtualClock _clock = new();
    private readonly IntroductionBudget _budget;

    public IntroductionBudgetTests() => _budget = new IntroductionBudget(_clock);

    [Fact]
    public void One_node_may_ask_another_six_times_at_once_and_twice_a_second()
    {
        Guid node = Guid.NewGuid();
        Assert.Equal(6, PassedOf(1000, node, Victim));
        Assert.Equal(6, PassedOf(1000, Victim, node)); // the other way is another pair

        Assert.Equal(TimeSpan.FromMilliseconds(500), _budget.Spend(node, Victim));
        for (int second = 0; second < 10; second++)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(2, PassedOf(1000, node, Victim));
        }
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(6, PassedOf(1000, node, Victim));
    }

    [Fact]
    public void A_node_is_told_of_fifty_a_second_by_however_many_others()
    {
        Guid[] nodes = [.. Enumerable.Range(0, 500).Select(_ => Guid.NewGuid())];
        Assert.Equal(50, nodes.Sum(node => PassedOf(1, node, Victim)));

        int passed = 0;
        for (int i = 0; i < 1000; i++)
        {
            _clock.Advance(TimeSpan.FromMilliseconds(10));
            passed += PassedOf(1, nodes[i % nodes.Length], Victim);
        }
        Assert.Equal(500, passed);
        Assert.Equal(1, PassedOf(1, nodes[0], Guid.NewGuid()));
    }

    [Fact]
    public void What_is_refused_costs_nothing()
    {
        Guid node = Guid.NewGuid();
        PassedOf(1_000_000, node, Victim);

        _clock.Advance(TimeSpan.FromMilliseconds(500));

        Assert.Equal(1, PassedOf(1000, node, Victim));
        Assert.Equal(49, Enumerable.Range(0, 1000).Sum(_ => PassedOf(1, Guid.NewGuid(), Victim)));
    }

    [Fact]
    public void A_node_that_asks_all_the_time_keeps_nobody_else_from_the_same_peer()
    {
        Guid flooder = Guid.NewGuid();
        for (int i = 0; i < 1000; i++)
        {
            PassedOf(100, flooder, Victim);
            Assert.Equal(1, PassedOf(1, Guid.NewGuid(), Victim));
            _clock.Advance(TimeSpan.FromMilliseconds(25));
        }
    }

    [Fact]
    public void However_many_pairs_there_are_nobody_is_shut_out_and_the_memory_does_not_grow()
    {
        for (int i = 0; i < 70_000; i++)
            Assert.Equal(TimeSpan.Zero, _budget.Spend(IdOf(i), IdOf(-i)));
        long before = GC.GetAllocatedBytesForCurrentThread();
        int passed = 0;
        for (int i = 70_000; i < 140_000; i++)
            passed += _budget.Spend(IdOf(i), IdOf(-i)) == TimeSpan.Zero ? 1 : 0;

        Assert.Equal(70_000, passed);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10_000);
    }

    private static Guid IdOf(int number) => new(number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

    private int PassedOf(int times, Guid from, Guid to) => Enumerable.Range(0, times).Count(_ => _budget.Spend(from, to) == TimeSpan.Zero);
}
