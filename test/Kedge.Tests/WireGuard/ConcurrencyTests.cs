using Kedge.Crypto;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>Several threads at one peer, as in a node.</summary>
public class ConcurrencyTests
{
    private const int Threads = 4;

    [Fact]
    public void No_counter_is_used_twice_however_many_threads_seal()
    {
        using Pair pair = Pair.InSession();
        KeyPair sender = pair.A.TunnelTo(pair.B).Keys.Current!, receiver = pair.B.TunnelTo(pair.A).Keys.Current!;
        ulong first = sender.Sent;
        var sealedPackets = new List<AeadPacket>[Threads];
        RunAtOnce(Threads, thread =>
        {
            var random = new Random(thread);
            List<AeadPacket> mine = sealedPackets[thread] = [];
            for (int batch = 0; batch < 200; batch++)
            {
                AeadPacket[] packets = NewBatch(random.Next(1, 9), length: 20);
                Assert.True(sender.Seal(packets, 1420));
                mine.AddRange(packets);
            }
        });

        AeadPacket[] all = [.. sealedPackets.SelectMany(packets => packets)];
        ulong[] counters = [.. all.Select(packet => packet.Counter).Order()];
        Assert.Equal(Enumerable.Range((int)first, all.Length).Select(counter => (ulong)counter), counters);
        Assert.All(all, packet => Assert.Equal(packet.Counter, new TransportData(packet.Source).Counter));

        // Each is sealed with the counter that it states.
        Assert.True(receiver.Open(all));
        Assert.All(all, packet => Assert.True(packet.Authentic));
    }

    // A peer that roams, or is heard over IPv4 and IPv6, may be received by several threads for a while.
    [Fact]
    public void Threads_that_receive_copies_of_the_same_packets_accept_each_once()
    {
        const int Batches = 4000;
        using Pair pair = Pair.InSession();
        KeyPair sender = pair.A.TunnelTo(pair.B).Keys.Current!, receiver = pair.B.TunnelTo(pair.A).Keys.Current!;
        AeadPacket[][] batches = [.. Enumerable.Range(0, Batches).Select(_ => NewBatch(4, length: 20))];
        Assert.All(batches, batch => Assert.True(sender.Seal(batch, 1420)));
        ulong first = batches[0][0].Counter;
        var accepted = new int[Batches * 4];
        RunAtOnce(Threads, _ =>
        {
            var verdicts = new DropReason[4];
            foreach (AeadPacket[] batch in batches)
            {
                AeadPacket[] copies = [.. batch.Select(Copy)];
                Assert.True(receiver.Open(copies));
                receiver.Judge(copies, verdicts);
                for (int i = 0; i < copies.Length; i++)
                {
                    if (verdicts[i] == DropReason.None)
                        Interlocked.Increment(ref accepted[copies[i].Counter - first]);
                    else
                        Assert.Equal(DropReason.Replayed, verdicts[i]);
                }
            }
        });
        Assert.All(accepted, times => Assert.Equal(1, times));

        static AeadPacket Copy(AeadPacket packet)
        {
            byte[] bytes = [.. packet.Source];
            return packet with { Source = bytes, Destination = bytes };
        }
    }

    [Fact]
    public void Threads_that_seal_at_once_stop_at_the_limit_together()
    {
        using Pair pair = Pair.InSession(timing: new Timing { RejectAfterMessages = 3000 });
        KeyPair session = pair.A.TunnelTo(pair.B).Keys.Current!;
        var highest = new ulong[Threads];
        RunAtOnce(Threads, thread =>
        {
            while (true)
            {
                AeadPacket[] packets = NewBatch(7, length: 20);
                if (!session.Seal(packets, 1420))
                    break;
                highest[thread] = packets[^1].Counter;
            }
        });
        Assert.InRange(highest.Max(), 3000UL - 7, 2999UL);
        Assert.True(session.IsExpired(pair.Now));
    }

    // What is under way when a peer goes ends with the keys intact or is refused; nothing is thrown, and nothing is sealed with zeros.
    [Fact]
    public void Peers_come_and_go_while_packet_threads_use_them()
    {
        using Pair pair = Pair.InSession();
        pair.MaximumPollsAtOneInstant = int.MaxValue;
        PeerTunnel tunnel = pair.A.TunnelTo(pair.B);
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.TransportData; // the receiving thread makes its own
        using var stop = new CancellationTokenSource();
        int sealedCount = 0, stagedCount = 0, acceptedCount = 0;
        Thread[] packetThreads =
        [
            Start(() => // sends
            {
                var datagram = new byte[4096];
                byte[] packet = TestPacket.Make(pair.A.IPv4, pair.B.IPv4);
                while (!stop.IsCancellationRequested)
                {
                    PeerTunnel peer = Volatile.Read(ref tunnel);
                    lock (peer.StagedOrder)
                    {
                        while (peer.HasStaged && peer.TrySealStaged(pair.Now, datagram, out _))
                            stagedCount++;
                    }
                    if (peer.TrySeal(pair.Now, NewBatch(3, length: 100), mtu: 1420))
                        sealedCount++;
                    else
                        peer.Stage(packet);
                }
            }),
            Start(() => // receives
            {
                var verdicts = new DropReason[3];
                while (!stop.IsCancellationRequested)
                {
                    PeerTunnel peer = Volatile.Read(ref tunnel);
                    foreach (KeyPair? session in (KeyPair?[])[peer.Keys.Current, peer.Keys.Next, peer.Keys.Previous])
                    {
                        if (session is null || pair.A.Device.FindSession(session.LocalIndex) is not { } found)
                            continue;
                        AeadPacket[] forged = NewBatch(3, length: 100);
                        found.Open(forged);
                        found.Judge(forged, verdicts);
                        byte[] packet = TestPacket.Make(pair.B.IPv4, pair.A.IPv4);
                        if (found.Peer.Accept(pair.Now, found, packet, pair.B.Address, pair.A.Address, 0, out _) == DropReason.None)
                            acceptedCount++;
                    }
                }
            }),
        ];

        // This is the handshake thread. Every round has a handshake in one of the two roles, and then the peer goes.
        for (int round = 0; round < 60; round++)
        {
            if (round % 2 == 0)
                tunnel.RequestHandshake();
            else
                pair.B.TunnelTo(pair.A).RequestHandshake();
            pair.Run(TimeSpan.FromSeconds(6));
            WaitUntil(() => sealedCount > round && acceptedCount > round);
            if (round % 3 == 0)
            {
                pair.A.RemovePeer(pair.B);
                Volatile.Write(ref tunnel, pair.A.AddPeer(pair.B));
            }
            else if (round % 3 == 1)
            {
                pair.A.Device.ClearSessions();
            }
        }
        stop.Cancel();
        foreach (Thread thread in packetThreads)
            thread.Join();
        Assert.Null(_failure);
        Assert.True(sealedCount > 0 && stagedCount >= 0 && acceptedCount > 0);
    }

    private Exception? _failure;

    private Thread Start(Action action)
    {
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception exception)
            {
                _failure = exception;
            }
        });
        thread.Start();
        return thread;
    }

    private void WaitUntil(Func<bool> condition) =>
        Assert.True(SpinWait.SpinUntil(() => condition() || _failure is not null, TimeSpan.FromSeconds(60)) && _failure is null, $"{_failure}");

    private void RunAtOnce(int threads, Action<int> action)
    {
        using var barrier = new Barrier(threads);
        Thread[] running =
        [
            .. Enumerable.Range(0, threads).Select(number => Start(() =>
            {
                barrier.SignalAndWait();
                action(number);
            })),
        ];
        foreach (Thread thread in running)
            thread.Join();
        Assert.Null(_failure);
    }

    private static AeadPacket[] NewBatch(int count, int length)
    {
        var packets = new AeadPacket[count];
        foreach (ref AeadPacket packet in packets.AsSpan())
        {
            packet.Source = packet.Destination = new byte[TransportData.Overhead + length + 15];
            packet.SourceOffset = packet.DestinationOffset = TransportData.HeaderSize;
            packet.Length = length;
        }
        return packets;
    }
}
