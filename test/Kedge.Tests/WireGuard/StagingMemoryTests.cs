using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

public class StagingMemoryTests
{
    private const int Mebibyte = 1 << 20;

    [Fact]
    public void A_device_counts_the_packets_that_find_no_memory()
    {
        using var device = new WireGuardDevice(Timing.Default, bytes => Random.Shared.NextBytes(bytes), () => { });
        byte[] packet = new byte[1_420];
        int staged = 0, dropped = 0;
        for (int i = 0; i < 8_000; i++)
        {
            PeerTunnel peer = device.AddPeer(PublicKey.FromBytes([(byte)i, (byte)(i >> 8), .. new byte[30]]));
            dropped += peer.Stage(packet);
            staged += peer.HasStaged ? 1 : 0;
        }
        Assert.InRange(staged, 6_000, 7_000); // 16 MiB of 2.5 KiB each
        Assert.Equal(8_000 - staged, dropped);
        Assert.Equal(dropped, device.Drops[DropReason.StagingFull]);
        Assert.Equal(0, device.Drops[DropReason.NoSession]);
    }

    [Fact]
    public void One_peer_gets_all_that_it_wants_and_many_get_less_each()
    {
        var memory = new StagingMemory(16 * Mebibyte);
        Assert.True(memory.TryTake(4096, 4096));
        Assert.True(memory.TryTake(Mebibyte / 4, Mebibyte / 4 + 4096));
        var held = new List<int>();
        for (int peer = 0; peer < 500; peer++)
        {
            Assert.True(memory.TryTake(4096, 4096));
            int total = 4096;
            while (total < Mebibyte / 4 && memory.TryTake(total, 2 * total))
                total *= 2;
            held.Add(total);
        }
        Assert.Equal(Mebibyte / 4, held[0]);
        Assert.Equal(4096, held[^1]);
        Assert.InRange(memory.Used, 8 * Mebibyte, 11 * Mebibyte);
    }

    [Fact]
    public void What_is_returned_may_be_taken_again()
    {
        var memory = new StagingMemory(1000);
        Assert.True(memory.TryTake(1000, 1000));
        Assert.False(memory.TryTake(1, 1));
        memory.Return(1000);
        Assert.Equal(0, memory.Used);
        Assert.True(memory.TryTake(1000, 1000));
    }
}
