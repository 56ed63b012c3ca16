using Kedge.Protocol;
using Kedge.Protocol.Paths;

namespace Kedge.Tests.Paths;

/// <summary>The search on a virtual clock, over a path that carries so much and answers after so long.</summary>
public class MtuSearchTests
{
    private const int Full = 1480;

    private readonly MtuSearch _search = new();
    private readonly List<(Instant Time, int Size)> _pings = [];
    private readonly PriorityQueue<(ulong Id, int Size), Instant> _answers = new();
    private readonly Random _random = new(7);
    private Instant _now = new(TimeSpan.TicksPerHour);

    private int Carries { get; set; } = 1500;

    private TimeSpan RoundTrip { get; set; } = TimeSpan.FromMilliseconds(20);

    private double Loss { get; set; }

    [Fact]
    public void A_path_that_carries_all_is_known_after_two_round_trips()
    {
        _search.Begin(_now, Full);
        Assert.Equal((1280, false), (_search.Mtu, _search.IsMeasured));
        Run(RoundTrip);
        Assert.Equal((1280, false), (_search.Mtu, _search.IsMeasured));
        Run(RoundTrip);

        Assert.Equal((Full, true), (_search.Mtu, _search.IsMeasured));
        Assert.Equal([1280, Full], _pings.Select(ping => ping.Size));
    }

    [Theory]
    [InlineData(1280, 1280)]
    [InlineData(1281, 1280)]
    [InlineData(1300, 1295)]
    [InlineData(1400, 1400)]
    [InlineData(1420, 1420)]
    [InlineData(1440, 1440)]
    [InlineData(1479, 1470)]
    [InlineData(1000, 994)]
    [InlineData(600, 598)]
    public void Less_is_found_out_to_within_16_bytes(int carries, int expected)
    {
        Carries = carries;
        _search.Begin(_now, Full);
        Run(TimeSpan.FromSeconds(10));

        Assert.True(_search.IsMeasured);
        Assert.InRange(_search.Mtu, carries - 16, carries);
        Assert.Equal(expected, _search.Mtu);
        Assert.False(_search.IsBusy);
    }

    [Fact]
    public void What_is_not_carried_is_known_in_half_a_second()
    {
        Carries = 1280;
        _search.Begin(_now, Full);
        Run(TimeSpan.FromSeconds(0.5));

        Assert.Equal((1280, true), (_search.Mtu, _search.IsMeasured));
        Assert.Equal([1280, Full, Full, Full, Full], _pings.Take(5).Select(ping => ping.Size));
        Assert.Equal(1400, _pings[5].Size);
    }

    [Fact]
    public void A_tunnel_of_long_packets_tries_what_is_usual()
    {
        Carries = 1500;
        _search.Begin(_now, 9000);
        Run(TimeSpan.FromSeconds(20));

        Assert.Equal(1500, _search.Mtu);
        Assert.Equal([1280, 9000, 1500], _pings.Select(ping => ping.Size).Distinct().Take(3));
    }

    [Fact]
    public void A_tunnel_of_short_packets_needs_no_more_than_they_do()
    {
        _search.Begin(_now, 1240);
        Run(TimeSpan.FromSeconds(1));

        Assert.Equal((1240, true), (_search.Mtu, _search.IsMeasured));
        Assert.Equal([1240], _pings.Select(ping => ping.Size));
    }

    [Theory]
    [InlineData(0.2)]
    [InlineData(0.5)]
    public void Losses_are_corrected_in_time(double loss)
    {
        Loss = loss;
        _search.Begin(_now, Full);
        Run(TimeSpan.FromMinutes(8));

        Assert.Equal((Full, true), (_search.Mtu, _search.IsMeasured));
    }

    [Fact]
    public void An_answer_that_comes_late_is_proof_all_the_same()
    {
        _search.Begin(_now, Full);
        RoundTrip = TimeSpan.FromSeconds(1.9); // what was sent in the meantime is given up by then
        Run(TimeSpan.FromSeconds(30), assumedRoundTrip: TimeSpan.FromMilliseconds(20));

        Assert.Equal((Full, true), (_search.Mtu, _search.IsMeasured));
    }

    [Fact]
    public void What_is_in_use_is_checked_every_minute_and_found_anew_where_it_is_not_carried_any_more()
    {
        _search.Begin(_now, Full);
        Run(TimeSpan.FromSeconds(10));
        _pings.Clear();
        Run(TimeSpan.FromMinutes(10));
        Assert.Equal(Enumerable.Repeat(Full, 10), _pings.Select(ping => ping.Size));

        Carries = 1400;
        Run(TimeSpan.FromSeconds(62));
        Assert.Equal(1400, _search.Mtu);
        Assert.True(_search.IsMeasured);
    }

    [Fact]
    public void Silence_has_it_checked_at_once_but_not_again_and_again()
    {
        _search.Begin(_now, Full);
        Run(TimeSpan.FromSeconds(10));
        Carries = 1280;
        _search.MeetSilence(_now);
        Run(TimeSpan.FromSeconds(0.5));
        Assert.Equal(1280, _search.Mtu);

        Run(TimeSpan.FromSeconds(10));
        _pings.Clear();
        for (int i = 0; i < 100; i++)
        {
            _search.MeetSilence(_now);
            Run(TimeSpan.FromSeconds(0.1));
        }
        Assert.InRange(_pings.Count, 1, 3);
    }

    [Fact]
    public void A_path_that_grows_is_noticed_within_ten_minutes_however_long_it_was_small()
    {
        Carries = 1280;
        _search.Begin(_now, Full);
        Run(TimeSpan.FromHours(2));
        Assert.Equal(1280, _search.Mtu);
        Carries = 1500;
        Run(TimeSpan.FromMinutes(11));

        Assert.Equal(Full, _search.Mtu);
    }

    [Fact]
    public void A_small_path_costs_few_pings()
    {
        Carries = 1280;
        _search.Begin(_now, Full);
        Run(TimeSpan.FromMinutes(30));
        _pings.Clear();
        Run(TimeSpan.FromHours(1));

        Assert.InRange(_pings.Count, 60, 60 + 6 * 6 * MtuSearch.Attempts);
    }

    [Fact]
    public void Where_nothing_is_answered_nothing_is_known()
    {
        Carries = 0;
        _search.Begin(_now, Full);
        Run(TimeSpan.FromMinutes(5));

        Assert.Equal((1280, false), (_search.Mtu, _search.IsMeasured));
        Assert.InRange(_pings.Count, 6 * MtuSearch.Attempts, 6 * 8 * MtuSearch.Attempts);
    }

    [Fact]
    public void A_ping_that_arrived_shorter_than_it_was_sent_proves_nothing()
    {
        _search.Begin(_now, Full);
        Assert.Equal(1280, _search.Next(_now));
        _search.Sent(_now, 1, RoundTrip);

        Assert.True(_search.TryTakePong(_now, 1, 1279));
        Assert.False(_search.TryTakePong(_now, 1, 1280));
        Assert.False(_search.TryTakePong(_now, 2, 1280));
        Assert.Equal(1280, _search.Next(_now + TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public void A_peer_that_does_not_say_what_arrives_ends_it()
    {
        _search.Begin(_now, Full);
        Run(TimeSpan.FromMilliseconds(1));
        _search.Stop();
        _answers.Clear();
        Run(TimeSpan.FromHours(1));

        Assert.Single(_pings);
        Assert.Equal((int.MaxValue, false), (_search.Mtu, _search.IsMeasured));
        Assert.Equal(Instant.Never, _search.Due);
    }

    private void Run(TimeSpan time, TimeSpan? assumedRoundTrip = null)
    {
        Instant end = _now + time;
        for (int step = 0; ; step++)
        {
            Assert.InRange(step, 0, 100_000);
            Instant next = _search.Due;
            if (_answers.TryPeek(out _, out Instant answer))
                next = Instant.Earlier(next, answer);
            if (next > end)
                break;
            _now = Instant.Later(_now, next);
            while (_answers.TryPeek(out (ulong Id, int Size) pong, out answer) && answer <= _now)
            {
                _answers.Dequeue();
                Assert.True(_search.TryTakePong(_now, pong.Id, pong.Size));
            }
            if (_search.Next(_now) is not 0 and var size)
            {
                _pings.Add((_now, size));
                _search.Sent(_now, (ulong)_pings.Count, assumedRoundTrip ?? RoundTrip);
                if (size <= Carries && _random.NextDouble() >= Loss)
                    _answers.Enqueue(((ulong)_pings.Count, size), _now + RoundTrip);
            }
            else
            {
                Assert.True(_search.Due > _now || _answers.Count > 0, "The search stands still.");
            }
        }
        _now = end;
    }
}
