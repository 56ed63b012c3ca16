using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard;

/// <summary>The queue of staged packets, against a queue of arrays with the same two bounds.</summary>
public sealed class StagedPacketsTarget : Target
{
    private static readonly int[] Lengths = [0, 1, 15, 16, 64, 1280, 1420, 2047, 2048, 2049, 4096, 9000, 65535];

    public override string Name => "staged-packets";

    public override int ShortRun => 8_000;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        (int maximumPackets, int maximumBytes) = reader.Pick([(128, 256 * 1024), (1, 1), (3, 100), (4, 5000), (2, 2048), (128, 3)]);
        var queue = new StagedPackets(maximumPackets, maximumBytes);
        Queue<byte[]> expected = [];
        var destination = new byte[65535];
        byte serial = 0;
        while (!reader.IsEmpty)
        {
            byte operation = reader.Byte();
            trace.Note(operation % 4, Math.Min(expected.Count, 3));
            switch (operation % 4)
            {
                case 0 or 1:
                    var packet = new byte[operation % 4 == 0 ? reader.Byte() : reader.Pick(Lengths)];
                    packet.AsSpan().Fill(++serial);
                    int dropped = queue.Add(packet, out bool isRefused);
                    Invariant.Holds(!isRefused, "alone, a queue has all the memory that it needs");
                    trace.Note(5, Math.Min(dropped, 2));
                    Invariant.Equal(Add(expected, packet, maximumPackets, maximumBytes), dropped, "the oldest packets make room, as many as must");
                    break;
                case 2:
                    bool taken = queue.TryTake(destination, out int length);
                    Invariant.Equal(expected.TryDequeue(out byte[]? first), taken, "a packet comes out where one is in");
                    if (taken)
                        Invariant.Holds(destination.AsSpan(0, length).SequenceEqual(first), "packets come out in their order, as they were");
                    else
                        Invariant.Equal(0, length, "no packet has no length");
                    break;
                default:
                    if ((operation & 0x80) == 0)
                        TakeIntoTooLittle(queue, expected);
                    else
                    {
                        Invariant.Equal(expected.Count, queue.Clear(), "clearing says how many packets there were");
                        expected.Clear();
                    }
                    break;
            }
            Invariant.Equal(expected.Count, queue.Count, "the count is the number of packets");
        }
    }

    private static int Add(Queue<byte[]> queue, byte[] packet, int maximumPackets, int maximumBytes)
    {
        if (packet.Length > maximumBytes)
            return 1;
        int dropped = 0;
        for (; queue.Count == maximumPackets || queue.Sum(p => p.Length) + packet.Length > maximumBytes; dropped++)
            queue.Dequeue();
        queue.Enqueue(packet);
        return dropped;
    }

    private static void TakeIntoTooLittle(StagedPackets queue, Queue<byte[]> expected)
    {
        if (!expected.TryPeek(out byte[]? first) || first.Length == 0)
            return;
        try
        {
            queue.TryTake(new byte[first.Length - 1], out _);
        }
        catch (ArgumentException)
        {
            return; // as documented, and the packet stays
        }
        throw new InvariantException("a destination that is too short is refused");
    }
}
