using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Offload;

namespace Kedge.SystemTests.Linux;

/// <summary>A packet as it was received, copied out of its buffer.</summary>
internal sealed record Received(byte[] Bytes, Endpoint Source, Endpoint Destination, byte Ecn)
{
    public int Number => BitConverter.ToInt32(Bytes);

    /// <summary>From a device: what it said before the packet.</summary>
    public VnetHeader Vnet { get; init; }

    /// <summary>From a socket: bytes of each datagram of a run; 0 for one datagram.</summary>
    public ushort GsoSize { get; init; }

    /// <summary>Where the checksum starts and where it is to be put, where it has to be completed; else null.</summary>
    public (int Start, int Offset)? Checksum => Vnet.NeedsChecksum ? (Vnet.ChecksumStart, Vnet.ChecksumOffset) : null;

    public static Received From(PacketBuffer buffer) => new(buffer.Packet.ToArray(), buffer.Source, buffer.Destination, buffer.Ecn)
    {
        Vnet = buffer.Vnet,
        GsoSize = buffer.GsoSize,
    };

    /// <summary>The datagrams of a run, or the one that this is.</summary>
    public IEnumerable<byte[]> Datagrams() => GsoSize == 0 ? [Bytes] : Bytes.Chunk(GsoSize);
}

/// <summary>A thread that does what a packet thread does, wait and read, and keeps everything it gets.</summary>
internal sealed class Receiver : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly List<Received> _received = [];
    private readonly Thread _thread;
    private readonly Action _wake;
    private volatile bool _stopping;
    private volatile Exception? _failure;
    private int _waits;

    public Receiver(IDatagramSocket socket) : this(socket.WaitReadable, buffers => socket.Receive(buffers), socket.Wake)
    {
    }

    public Receiver(IPacketQueue queue) : this(queue.WaitReadable, buffers => queue.Read(buffers), queue.Wake)
    {
    }

    public Receiver(UdpPort port) : this(port.Sockets[0])
    {
    }

    public Receiver(TunDevice device) : this(device.Queues[0])
    {
    }

    /// <summary>Writes what it reads to another device, as a wire between the two would.</summary>
    public Receiver(TunDevice device, TunDevice to) : this(device, buffers => to.Queues[0].Write(buffers.Span))
    {
    }

    /// <summary>Has each batch passed on in a way of the caller's; <paramref name="pass"/> leaves the packets as they are.</summary>
    public Receiver(TunDevice device, Action<ReadOnlyMemory<PacketBuffer>> pass)
        : this(device.Queues[0].WaitReadable, buffers => Pass(device.Queues[0], pass, buffers), device.Queues[0].Wake)
    {
    }

    private Receiver(Action wait, Func<PacketBuffer[], int> read, Action wake)
    {
        _wake = wake;
        _thread = new Thread(() => Run(wait, read)) { IsBackground = true, Name = "test receiver" };
        _thread.Start();
    }

    /// <summary>What ended the thread, if anything did.</summary>
    public Exception? Failure => _failure;

    /// <summary>How often the thread has begun to wait: a loop that spins is seen here.</summary>
    public int Waits => Volatile.Read(ref _waits);

    public Received[] All
    {
        get
        {
            lock (_received)
                return [.. _received];
        }
    }

    /// <summary>Waits until so many packets are there, and returns all.</summary>
    public Received[] Take(int count)
    {
        Wait.Until(() => All.Length >= count || _failure is not null, Patience, $"{count} packets");
        Assert.Null(_failure);
        return All;
    }

    /// <summary>Waits for a packet that <paramref name="isWanted"/>.</summary>
    public Received TakeFirst(Func<Received, bool> isWanted)
    {
        Received? found = null;
        Wait.Until(() => (found = All.FirstOrDefault(isWanted)) is not null || _failure is not null, Patience, "the packet");
        Assert.Null(_failure);
        return found!;
    }

    public void Dispose()
    {
        _stopping = true;
        _wake();
        Assert.True(_thread.Join(Patience), "The thread does not wake up.");
    }

    private static int Pass(TunQueue from, Action<ReadOnlyMemory<PacketBuffer>> pass, PacketBuffer[] buffers)
    {
        int count = from.Read(buffers);
        pass(buffers.AsMemory(0, count));
        return count;
    }

    private void Run(Action wait, Func<PacketBuffer[], int> read)
    {
        var buffers = Batch.Of(64);
        try
        {
            while (!_stopping)
            {
                Interlocked.Increment(ref _waits);
                wait();
                int count = read(buffers);
                lock (_received)
                {
                    for (int i = 0; i < count; i++)
                        _received.Add(Received.From(buffers[i]));
                }
            }
        }
        catch (Exception e)
        {
            _failure = e;
        }
    }
}
