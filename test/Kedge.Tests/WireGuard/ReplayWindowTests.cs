using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

public class ReplayWindowTests
{
    private const ulong RejectAfterMessages = 18_446_744_073_709_543_423; // 2^64 - 2^13 - 1

    private readonly ReplayWindow _window = new();

    [Fact]
    public void A_counter_is_accepted_once()
    {
        foreach (ulong counter in new ulong[] { 0, 1, 9, 8, 7, 63, 64, 65, 62, 8128, 8127 })
        {
            Assert.True(_window.TryAccept(counter));
            Assert.False(_window.TryAccept(counter));
        }
    }

    [Theory] // the check of RFC 6479: counter + window < newest is too old
    [InlineData(8127, true)]
    [InlineData(8128, true)]
    [InlineData(8129, false)]
    [InlineData(8191, false)]
    [InlineData(8192, false)]
    [InlineData(20_000, false)]
    public void The_window_reaches_8128_back_wherever_the_newest_stands(int back, bool expected)
    {
        for (ulong newest = 100_000; newest < 100_000 + 200; newest++)
        {
            var window = new ReplayWindow();
            Assert.True(window.TryAccept(newest));
            Assert.Equal(expected, window.TryAccept(newest - (ulong)back));
            Assert.False(window.TryAccept(newest - (ulong)back));
            Assert.False(window.TryAccept(newest));
        }
    }

    [Fact]
    public void Before_the_window_is_full_everything_down_to_zero_is_inside()
    {
        Assert.True(_window.TryAccept(8128));
        Assert.True(_window.TryAccept(0));
        Assert.True(_window.TryAccept(8129));
        Assert.False(_window.TryAccept(0));
        Assert.True(_window.TryAccept(1));
    }

    [Theory]
    [InlineData(8_127)]
    [InlineData(8_128)]
    [InlineData(8_191)]
    [InlineData(8_192)]
    [InlineData(8_193)]
    [InlineData(8_192 * 2)]
    [InlineData(8_192 * 1_000 + 1)]
    [InlineData(1UL << 60)]
    public void A_jump_forgets_nothing_inside_the_window_and_remembers_nothing_stale(ulong jump)
    {
        for (ulong counter = 0; counter < 10_000; counter++)
            Assert.True(_window.TryAccept(counter));
        ulong newest = 9_999 + jump;
        Assert.True(_window.TryAccept(newest));
        for (ulong counter = newest - 8_128; counter < newest; counter++)
            Assert.Equal(counter >= 10_000, _window.TryAccept(counter));
        Assert.False(_window.TryAccept(newest - 8_129));
    }

    [Fact]
    public void The_last_counter_is_the_one_before_the_limit()
    {
        Assert.Equal(RejectAfterMessages, ReplayWindow.RejectAfterMessages);
        Assert.False(_window.TryAccept(ulong.MaxValue));
        Assert.False(_window.TryAccept(RejectAfterMessages + 1));
        Assert.False(_window.TryAccept(RejectAfterMessages));
        Assert.True(_window.TryAccept(0)); // what was refused moved nothing
        Assert.True(_window.TryAccept(RejectAfterMessages - 1));
        Assert.False(_window.TryAccept(RejectAfterMessages - 1));
        Assert.True(_window.TryAccept(RejectAfterMessages - 2));
        Assert.True(_window.TryAccept(RejectAfterMessages - 1 - 8_128));
        Assert.False(_window.TryAccept(RejectAfterMessages - 1 - 8_129));
    }

    [Fact]
    public void A_lower_limit_can_be_set()
    {
        var window = new ReplayWindow(limit: 100);
        Assert.True(window.TryAccept(99));
        Assert.False(window.TryAccept(100));
        Assert.True(window.TryAccept(0));
    }

    [Fact]
    public void Cleared_it_is_as_new()
    {
        for (ulong counter = 0; counter < 20_000; counter += 3)
            _window.TryAccept(counter);
        _window.Clear();
        for (ulong counter = 0; counter < 8_192; counter++)
            Assert.True(_window.TryAccept(counter));
    }

    [Theory]
    [InlineData(1, 0UL)]
    [InlineData(2, 1UL << 32)]
    [InlineData(3, RejectAfterMessages - 900_000)]
    public void It_agrees_with_a_set_under_reordering_and_duplication(int seed, ulong start)
    {
        var random = new Random(seed);
        HashSet<ulong> seen = [];
        ulong newest = 0, next = start;
        int accepted = 0;
        for (int i = 0; i < 100_000; i++)
        {
            next += random.Next(1_000) == 0 ? (ulong)random.Next(20_000) : (ulong)random.Next(3);
            ulong back = (ulong)(random.Next(3) == 0 ? random.Next(9_000) : random.Next(10));
            ulong counter = next > back ? next - back : 0;
            bool fresh = counter < RejectAfterMessages && newest - Math.Min(counter, newest) <= 8_128 && seen.Add(counter);
            Assert.Equal(fresh, _window.TryAccept(counter));
            if (!fresh)
                continue;
            newest = Math.Max(newest, counter);
            accepted++;
        }
        Assert.InRange(accepted, 20_000, 95_000);
    }
}
