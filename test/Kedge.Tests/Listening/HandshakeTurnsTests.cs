using Kedge.Control.Listening;
using Kedge.Protocol.Ip;
using Kedge.Tests.Push;

namespace Kedge.Tests.Listening;

public sealed class HandshakeTurnsTests : IDisposable
{
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(20);
    private static readonly IpAddress Flooder = IpAddress.Parse("192.0.2.1"), Stranger = IpAddress.Parse("192.0.2.2"), Known = IpAddress.Parse("198.51.100.1");

    private readonly ManualClock _clock = new();
    private readonly HandshakeTurns _turns;
    private readonly List<(string Who, TimeSpan At)> _entered = [];
    private readonly List<string> _sentAway = [];
    private readonly long _start;

    public HandshakeTurnsTests()
    {
        _turns = new HandshakeTurns(_clock, random: new Random(1));
        _start = _clock.GetTimestamp();
    }

    public void Dispose() => _turns.Dispose();

    [Fact]
    public async Task A_connection_that_comes_alone_does_not_wait()
    {
        for (int i = 0; i < 10; i++)
        {
            ValueTask<bool> entering = _turns.EnterAsync(Stranger, isKnown: false, TestContext.Current.CancellationToken);
            Assert.True(entering.IsCompleted);
            Assert.True(await entering);
            _clock.Advance(Turn);
        }
    }

    [Fact]
    public async Task In_no_second_there_are_more_than_fifty_and_no_more_wait_than_get_a_turn_in_five()
    {
        Task[] all = [.. Enumerable.Range(0, 400).Select(_ => EnterAsync(Stranger))];
        Assert.Equal(250, _turns.Waiting);
        await RunAsync(TimeSpan.FromSeconds(6), all);

        Assert.Equal((251, 149), (_entered.Count, _sentAway.Count));
        Assert.Equal((251L, 149L), (_turns.Entered, _turns.SentAway));
        for (int i = 50; i < _entered.Count; i++)
            Assert.True(_entered[i].At - _entered[i - 50].At >= TimeSpan.FromSeconds(1), $"51 handshakes within {_entered[i].At - _entered[i - 50].At}");
    }

    [Fact]
    public async Task One_address_floods_and_another_gets_in_at_the_next_turn_but_one()
    {
        List<Task> all = [.. Enumerable.Range(0, 1000).Select(_ => EnterAsync(Flooder))];
        for (int i = 0; i < 10; i++)
        {
            TimeSpan before = _clock.GetElapsedTime(_start);
            all.Add(EnterAsync(Stranger, name: $"stranger {i}"));
            await RunAsync(TimeSpan.FromMilliseconds(100), [.. all.Where(task => task.IsCompleted)]);
            Assert.InRange(_entered.Single(one => one.Who == $"stranger {i}").At - before, TimeSpan.Zero, 2 * Turn);
        }
        Assert.DoesNotContain(_sentAway, who => who.StartsWith("stranger", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Every_other_turn_is_kept_for_known_sources_however_many_strangers_there_are()
    {
        List<Task> all = [.. Enumerable.Range(0, 1000).Select(i => EnterAsync(IpAddress.IPv4(0x0A000000 + (uint)i)))];
        for (int i = 0; i < 100; i++)
            all.Add(EnterAsync(Known, isKnown: true, name: "known"));
        await RunAsync(TimeSpan.FromSeconds(5), [.. all]);
        Assert.DoesNotContain("known", _sentAway);
        TimeSpan[] at = [.. _entered.Where(one => one.Who == "known").Select(one => one.At)];
        Assert.Equal(100, at.Length);
        Assert.InRange(at[^1], TimeSpan.Zero, 202 * Turn);
    }

    [Fact]
    public async Task A_connection_that_has_gone_gives_its_turn_back()
    {
        using var gone = new CancellationTokenSource();
        List<Task> all = [EnterAsync(Stranger), .. Enumerable.Range(0, 200).Select(_ => EnterAsync(Flooder, leaving: gone))];
        await gone.CancelAsync();
        Assert.Equal(0, _turns.Waiting);
        all.Add(EnterAsync(Stranger, name: "next"));
        await RunAsync(Turn, [.. all]);
        Assert.Equal(Turn, _entered[^1].At);
        Assert.Equal("next", _entered[^1].Who);
        Assert.Equal(0, _turns.SentAway);
    }

    [Fact]
    public async Task When_there_is_no_room_any_connection_of_the_largest_source_may_have_to_go()
    {
        Task[] all = [.. Enumerable.Range(0, 600).Select(i => EnterAsync(Flooder, name: $"{i}")), EnterAsync(Stranger, name: "stranger")];
        await RunAsync(TimeSpan.Zero, [.. all.Where(task => task.IsCompleted)]);
        Assert.DoesNotContain("stranger", _sentAway);
        int[] numbers = [.. _sentAway.Select(int.Parse)];
        Assert.InRange(numbers.Count(number => number < 300), 50, 250); // of the tail alone there would be none
        Assert.InRange(numbers.Count(number => number >= 300), 100, 300);
        await RunAsync(TimeSpan.FromSeconds(6), all);
    }

    [Fact]
    public async Task A_whole_IPv6_site_is_one_source()
    {
        List<Task> all = [.. Enumerable.Range(0, 1000).Select(i => EnterAsync(IpAddress.IPv6((((UInt128)0x20010DB80001 << 16) + (uint)i) << 64)))];
        all.Add(EnterAsync(IpAddress.Parse("2001:db8:2::1"), name: "other site"));
        await RunAsync(2 * Turn, [.. all.Where(task => task.IsCompleted)]);
        Assert.Contains(_entered, one => one.Who == "other site");
        await RunAsync(TimeSpan.FromSeconds(6), [.. all]);
    }

    private async Task EnterAsync(IpAddress address, bool isKnown = false, string name = "", CancellationTokenSource? leaving = null)
    {
        bool let = await _turns.EnterAsync(address, isKnown, leaving?.Token ?? TestContext.Current.CancellationToken);
        lock (_entered)
        {
            if (let)
                _entered.Add((name, _clock.GetElapsedTime(_start)));
            else if (leaving?.IsCancellationRequested != true)
                _sentAway.Add(name);
        }
    }

    // A turn is taken on the clock's thread, and noted on another: time stands still until it is.
    private async Task RunAsync(TimeSpan time, Task[] awaited)
    {
        for (TimeSpan passed = TimeSpan.Zero; ; passed += Turn)
        {
            while (true)
            {
                lock (_entered)
                {
                    if (_entered.Count == _turns.Entered && _sentAway.Count == _turns.SentAway)
                        break;
                }
                await Task.Yield();
            }
            if (passed >= time)
                break;
            _clock.Advance(Turn);
        }
        await Task.WhenAll(awaited);
    }
}
