using Kedge.Control.Push;

namespace Kedge.Tests.Push;

/// <summary>Two machines with the keys of one node are noticed, and one machine never is, whatever it does.</summary>
public class DuplicateWatchTests
{
    private readonly List<string> _found = [];

    [Fact]
    public async Task Two_machines_that_read_at_the_same_time_are_found_once_and_told_of_each_other()
    {
        await using PushFixture fixture = Watched();
        Reader original = await fixture.ConnectAsync(1, source: "192.0.2.1");
        Reader copy = await fixture.ConnectAsync(1, source: "192.0.2.2");

        await AnswerAsync(fixture, original, copy);
        await fixture.UntilAsync(() => original.DuplicatesFrom == "192.0.2.2" && copy.DuplicatesFrom == "192.0.2.1", "the word to both");

        Assert.Equal(["192.0.2.1", "192.0.2.2"], fixture.Push.Duplicates.SourcesOf(original.Id));
        for (int i = 0; i < 3; i++)
            await AnswerAnewAsync(fixture, original, copy);
        Assert.Equal(["192.0.2.1 192.0.2.2"], _found);
    }

    [Fact]
    public async Task Two_machines_behind_one_address_are_found_as_well()
    {
        await using PushFixture fixture = Watched();
        Reader original = await fixture.ConnectAsync(1), copy = await fixture.ConnectAsync(1);

        await AnswerAsync(fixture, original, copy);

        await fixture.UntilAsync(() => original.DuplicatesFrom == "192.0.2.1" && copy.DuplicatesFrom == "192.0.2.1", "the word to both");
    }

    [Fact]
    public async Task A_machine_whose_old_stream_lingers_is_one_machine_wherever_it_comes_from()
    {
        await using PushFixture fixture = Watched();
        Reader old = await fixture.ConnectAsync(1, source: "192.0.2.1");
        await fixture.UntilAsync(() => old.HasMap, "a map");
        old.StopReading();
        Reader present = await fixture.ConnectAsync(1, source: "198.51.100.7");

        await AnswerAsync(fixture, present);
        for (int i = 0; i < 3; i++)
            await AnswerAnewAsync(fixture, present);

        Assert.Empty(_found);
        Assert.Empty(fixture.Push.Duplicates.SourcesOf(present.Id));
        Assert.Null(present.DuplicatesFrom);
    }

    [Fact]
    public async Task An_answer_from_before_the_other_machine_came_proves_nothing()
    {
        await using PushFixture fixture = Watched();
        Reader old = await fixture.ConnectAsync(1), next = await fixture.ConnectAsync(1);
        await AnswerAsync(fixture, old);
        await next.DisposeAsync();
        Guid earlier = old.Question;
        Reader present = await fixture.ConnectAsync(1);
        await fixture.UntilAsync(() => present.Question != Guid.Empty, "a question");

        fixture.Push.Duplicates.Answered(old.Id, earlier);
        fixture.Push.Duplicates.Answered(present.Id, present.Question);

        Assert.Empty(_found);
    }

    [Fact]
    public async Task It_is_over_some_time_after_one_of_the_two_has_gone()
    {
        await using PushFixture fixture = Watched();
        Reader original = await fixture.ConnectAsync(1, source: "192.0.2.1");
        Reader copy = await fixture.ConnectAsync(1, source: "192.0.2.2");
        await AnswerAsync(fixture, original, copy);
        await fixture.UntilAsync(() => original.DuplicatesFrom is not null, "the word");

        await copy.DisposeAsync();
        fixture.Clock.Advance(DuplicateWatch.Patience);
        await fixture.UntilAsync(() => original.DuplicatesFrom is null, "the end");

        Assert.Empty(fixture.Push.Duplicates.SourcesOf(original.Id));
        Reader again = await fixture.ConnectAsync(1, source: "192.0.2.2");
        await AnswerAsync(fixture, original, again);
        await fixture.UntilAsync(() => _found.Count == 2, "the second time");
    }

    [Fact]
    public async Task A_node_cannot_answer_for_another()
    {
        await using PushFixture fixture = Watched();
        Reader original = await fixture.ConnectAsync(1), copy = await fixture.ConnectAsync(1);
        await fixture.UntilAsync(() => original.Question != Guid.Empty && copy.Question != Guid.Empty, "questions");

        fixture.Push.Duplicates.Answered(MemoryMapSource.NodeId(2), original.Question);
        fixture.Push.Duplicates.Answered(MemoryMapSource.NodeId(2), copy.Question);

        Assert.Empty(_found);
    }

    private PushFixture Watched()
    {
        var store = new MemoryMapSource();
        store.Put(1, "one");
        store.Put(2, "two");
        var fixture = new PushFixture(store);
        fixture.Push.Duplicates.Found = (_, sources) => _found.Add(string.Join(' ', sources));
        return fixture;
    }

    /// <summary>Waits for each reader's question, and answers it.</summary>
    private static async Task AnswerAsync(PushFixture fixture, params Reader[] readers)
    {
        await fixture.UntilAsync(() => readers.All(reader => reader.Question != Guid.Empty), "questions");
        foreach (Reader reader in readers)
            fixture.Push.Duplicates.Answered(reader.Id, reader.Question);
    }

    /// <summary>Waits for each reader's next question, and answers it.</summary>
    private static async Task AnswerAnewAsync(PushFixture fixture, params Reader[] readers)
    {
        Guid[] before = [.. readers.Select(reader => reader.Question)];
        fixture.Clock.Advance(DuplicateWatch.AskInterval);
        await fixture.UntilAsync(() => readers.Zip(before).All(one => one.First.Question != one.Second), "other questions");
        await AnswerAsync(fixture, readers);
    }
}
