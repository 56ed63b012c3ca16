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
        Assert.Equal(0, Add(staged, packet));
        packet[0] = 9;
        Assert.Equal(0, Add(staged, packet));
        Assert.Equal(0, Add(staged, []));
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
            Assert.Equal(0, Add(staged, [i]));
        Assert.Equal(1, Add(staged, [128]));
        Assert.Equal(128, staged.Count);
        for (byte i = 1; i <= 128; i++)
            Assert.Equal(i, Assert.Single(Take(staged)!));
        Assert.Null(Take(staged));
    }

    [Fact]
    public void Bytes_too_many_drop_as_many_old_ones_as_needed()
    {
        var staged = new StagedPackets(maximumPackets: 10, maximumBytes: 100);
        Assert.Equal(0, Add(staged, new byte[40]));
        Assert.Equal(0, Add(staged, new byte[40]));
        Assert.Equal(0, Add(staged, new byte[20]));
        Assert.Equal(1, Add(staged, new byte[1]));
        Assert.Equal(2, Add(staged, new byte[80]));
        Assert.Equal([1, 80], Lengths(staged));
        Assert.Equal(0, Add(staged, new byte[50]));
        Assert.Equal(1, Add(staged, new byte[100]));
        Assert.Equal([100], Lengths(staged));
    }

    [Fact]
    public void A_packet_that_can_never_fit_is_the_one_that_is_dropped()
    {
        var staged = new StagedPackets(maximumPackets: 10, maximumBytes: 100);
        Add(staged, new byte[60]);
        Assert.Equal(1, Add(staged, new byte[101]));
        Assert.Equal([60], Lengths(staged));
    }

    [Fact]
    public void The_default_bounds_are_128_packets_and_256_KiB()
    {
        var staged = new StagedPackets();
        Assert.Equal(0, Add(staged, new byte[256 * 1024 - 1]));
        Assert.Equal(0, Add(staged, new byte[1]));
        Assert.Equal(1, Add(staged, new byte[1]));
        Assert.Equal(1, Add(staged, new byte[256 * 1024 + 1]));
        Assert.Equal(2, staged.Count);
    }

    [Fact]
    public void Clearing_counts_what_it_drops()
    {
        var staged = new StagedPackets();
        Assert.Equal(0, staged.Clear());
        Add(staged, [1]);
        Add(staged, [2]);
        Assert.Equal(2, staged.Clear());
        Assert.Equal(0, staged.Count);
        Assert.Null(Take(staged));
        Add(staged, [3]);
        Assert.Equal([3], Take(staged)!);
    }

    [Fact]
    public void A_packet_stays_where_the_destination_is_too_short()
    {
        var staged = new StagedPackets();
        Add(staged, [1, 2, 3]);
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
            Add(staged, packet);
        int dropped = 0;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000; i++)
            dropped += Add(staged, packet);
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
                Add(staged, packet);
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
                Assert.Equal(dropped, Add(staged, packet));
            }
            Assert.Equal(oracle.Count, staged.Count);
        }
    }

    [Fact]
    public void The_packets_of_all_peers_together_take_no_more_than_the_memory_that_they_share()
    {
        var memory = new StagingMemory();
        byte[] packet = new byte[1_420];
        var peers = new StagedPackets[5_000];
        for (int i = 0; i < peers.Length; i++)
            peers[i] = new StagedPackets(memory: memory);
        for (int round = 0; round < 200; round++)
        {
            foreach (StagedPackets peer in peers)
                peer.Add(packet, out _);
            Assert.InRange(memory.Used, 1, 16 << 20);
        }
        Assert.InRange(peers.Count(peer => peer.Count > 0), 4_500, 5_000);
        foreach (StagedPackets peer in peers)
            peer.Clear();
        Assert.Equal(0, memory.Used);
    }

    [Fact]
    public void However_much_some_peers_want_another_still_gets_its_first_packet_in()
    {
        var memory = new StagingMemory();
        byte[] packet = new byte[1_420];
        for (int i = 0; i < 1_000; i++)
        {
            var greedy = new StagedPackets(memory: memory);
            for (int j = 0; j < 128; j++)
                greedy.Add(packet, out _);
        }
        var modest = new StagedPackets(memory: memory);
        modest.Add(packet, out bool isRefused);
        Assert.False(isRefused);
        Assert.Equal(1, modest.Count);
    }

    [Fact]
    public void A_peer_that_may_not_have_more_gives_up_its_own_oldest_packets()
    {
        var memory = new StagingMemory(maximumBytes: 64 * 1024); // a sixteenth of it is two packets
        var staged = new StagedPackets(memory: memory);
        for (byte i = 1; i <= 10; i++)
        {
            byte[] packet = new byte[1_000];
            packet[0] = i;
            staged.Add(packet, out bool isRefused);
            Assert.False(isRefused);
        }
        Assert.Equal(9, Take(staged)![0]);
        Assert.Equal(10, Take(staged)![0]);
        Assert.Null(Take(staged));
    }

    [Fact]
    public void A_packet_that_its_peer_has_no_memory_for_is_refused_and_the_others_stay()
    {
        var memory = new StagingMemory(maximumBytes: 64 * 1024);
        var staged = new StagedPackets(memory: memory);
        staged.Add([1, 2, 3], out _);
        Assert.Equal(0, staged.Add(new byte[9_000], out bool isRefused));
        Assert.True(isRefused);
        Assert.Equal([1, 2, 3], Take(staged)!);
        var late = new StagedPackets(memory: new StagingMemory(maximumBytes: 1_000));
        late.Add([1], out isRefused);
        Assert.True(isRefused);
        Assert.Equal(0, late.Count);
    }

    // How many packets were dropped, whichever they are.
    private static int Add(StagedPackets staged, ReadOnlySpan<byte> packet) => staged.Add(packet, out bool isRefused) + (isRefused ? 1 : 0);

    private byte[]? Take(StagedPackets staged) => staged.TryTake(_destination, out int length) ? _destination[..length] : null;

    private List<int> Lengths(StagedPackets staged)
    {
        List<int> lengths = [];
        while (Take(staged) is { } packet)
            lengths.Add(packet.Length);
        return lengths;
    }
}
