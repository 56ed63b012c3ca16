using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

public class StagedPacketsTests
{
    private readonly byte[] _destination = new byte[256 * 1024];

    [Fact]
    public void Packets_leave_in_their_order_and_as_they_were_copied()
    {
        var staged = new StagedPackets();
        byte[] packet = [1, 2, 3];
        Assert.Equal(0, staged.Add(packet));
        packet[0] = 9;
        Assert.Equal(0, staged.Add(packet));
        Assert.Equal(0, staged.Add([]));
        Assert.Equal(3, staged.Count);
        Assert.Equal([1, 2, 3], Take(staged)!);
        Assert.Equal([9, 2, 3], Take(staged)!);
        Assert.Empty(Take(staged)!);
        Assert.Null(Take(staged));
    }

    [Fact]
    public void One_packet_too_many_drops_the_oldest()
    {
        var staged = new StagedPackets();
        for (byte i = 0; i < 128; i++)
            Assert.Equal(0, staged.Add([i]));
        Assert.Equal(1, staged.Add([128]));
        Assert.Equal(128, staged.Count);
        for (byte i = 1; i <= 128; i++)
            Assert.Equal(i, Assert.Single(Take(staged)!));
        Assert.Null(Take(staged));
    }

    [Fact]
    public void Bytes_too_many_drop_as_many_old_ones_as_needed()
    {
        var staged = new StagedPackets(maximumPackets: 10, maximumBytes: 100);
        Assert.Equal(0, staged.Add(new byte[40]));
        Assert.Equal(0, staged.Add(new byte[40]));
        Assert.Equal(0, staged.Add(new byte[20]));
        Assert.Equal(1, staged.Add(new byte[1]));
        Assert.Equal(2, staged.Add(new byte[80]));
        Assert.Equal([1, 80], Lengths(staged));
        Assert.Equal(0, staged.Add(new byte[50]));
        Assert.Equal(1, staged.Add(new byte[100]));
        Assert.Equal([100], Lengths(staged));
    }

    [Fact]
    public void A_packet_that_can_never_fit_is_the_one_that_is_dropped()
    {
        var staged = new StagedPackets(maximumPackets: 10, maximumBytes: 100);
        staged.Add(new byte[60]);
        Assert.Equal(1, staged.Add(new byte[101]));
        Assert.Equal([60], Lengths(staged));
    }

    [Fact]
    public void The_default_bounds_are_128_packets_and_256_KiB()
    {
        var staged = new StagedPackets();
        Assert.Equal(0, staged.Add(new byte[256 * 1024 - 1]));
        Assert.Equal(0, staged.Add(new byte[1]));
        Assert.Equal(1, staged.Add(new byte[1]));
        Assert.Equal(1, staged.Add(new byte[256 * 1024 + 1]));
        Assert.Equal(2, staged.Count);
    }

    [Fact]
    public void Clearing_counts_what_it_drops()
    {
        var staged = new StagedPackets();
        Assert.Equal(0, staged.Clear());
        staged.Add([1]);
        staged.Add([2]);
        Assert.Equal(2, staged.Clear());
        Assert.Equal(0, staged.Count);
        Assert.Null(Take(staged));
        staged.Add([3]);
        Assert.Equal([3], Take(staged)!);
    }

    [Fact]
    public void A_packet_stays_where_the_destination_is_too_short()
    {
        var staged = new StagedPackets();
        staged.Add([1, 2, 3]);
        Assert.Throws<ArgumentException>(() => staged.TryTake(new byte[2], out _));
        Assert.Equal([1, 2, 3], Take(staged)!);
    }

    [Fact]
    public void Bounds_must_be_positive_and_within_a_GiB()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new StagedPackets(maximumPackets: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new StagedPackets(maximumBytes: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new StagedPackets(maximumBytes: (1 << 30) + 1));
    }

    [Fact]
    public void A_full_queue_takes_packets_without_allocating()
    {
        var staged = new StagedPackets();
        byte[] packet = new byte[1_420];
        for (int i = 0; i < 1_000; i++)
            staged.Add(packet);
        int dropped = 0;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000; i++)
            dropped += staged.Add(packet);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(1_000, dropped);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Memory_is_bounded_and_let_go_of_when_the_queue_is_empty(bool taken)
    {
        var staged = new StagedPackets();
        byte[] packet = new byte[65_535];
        for (int round = 0; round < 5; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++)
                staged.Add(packet);
            // What had been kept from the last round would not be allocated again; what is outgrown is half of it, and a quarter, …
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 256 * 1024, 2 * 256 * 1024 + 4_096);
            while (taken && staged.TryTake(_destination, out _))
                continue;
            Assert.Equal(taken ? 0 : 4, staged.Count);
            if (!taken)
                staged.Clear();
        }
    }

    [Theory]
    [InlineData(1, 128, 256 * 1024)]
    [InlineData(2, 5, 10_000)]
    [InlineData(3, 1_000, 3_000)]
    [InlineData(4, 1, 1)]
    public void It_agrees_with_a_plain_queue(int seed, int maximumPackets, int maximumBytes)
    {
        var random = new Random(seed);
        var staged = new StagedPackets(maximumPackets, maximumBytes);
        Queue<byte[]> oracle = [];
        for (int step = 0; step < 20_000; step++)
        {
            int kind = random.Next(1_000);
            if (kind == 0)
            {
                Assert.Equal(oracle.Count, staged.Clear());
                oracle.Clear();
            }
            else if (kind < 450 || (step / 1_000 % 2 == 0 && kind < 550)) // by turns more in than out, and the other way
                Assert.Equal(oracle.TryDequeue(out byte[]? expected) ? expected : null, Take(staged));
            else
            {
                int tooLong = maximumBytes + 2;
                byte[] packet = new byte[random.Next(random.Next(20) == 0 ? tooLong : Math.Min(1_500, tooLong))];
                random.NextBytes(packet);
                int dropped = 0;
                if (packet.Length > maximumBytes)
                    dropped = 1;
                else
                {
                    oracle.Enqueue(packet);
                    for (; oracle.Count > maximumPackets || oracle.Sum(p => p.Length) > maximumBytes; dropped++)
                        oracle.Dequeue();
                }
                Assert.Equal(dropped, staged.Add(packet));
            }
            Assert.Equal(oracle.Count, staged.Count);
        }
    }

    private byte[]? Take(StagedPackets staged) => staged.TryTake(_destination, out int length) ? _destination[..length] : null;

    private List<int> Lengths(StagedPackets staged)
    {
        List<int> lengths = [];
        while (Take(staged) is { } packet)
            lengths.Add(packet.Length);
        return lengths;
    }
}
