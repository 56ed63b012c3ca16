using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Protocol;
using Kedge.Threading;

namespace Kedge.Demo;

/// <summary>
/// A cable between two hosts that takes time and loses packets, which no queueing discipline of every kernel does: a TUN interface at each
/// end, and this process in between. It carries IP packets one by one, without offloads, so that loss and MTU are those of a packet on a
/// real line. It has no Ethernet: no ARP, and no switch to be plugged into. The topology that made it ends it; whoever asked for it may do
/// so before. Any thread.
/// </summary>
public sealed class Wire : IDisposable
{
    private readonly TunDevice _atA, _atB;
    private readonly WireDirection _there, _back;
    private readonly Lock _lock = new();
    private bool _disposed;

    /// <summary>Makes both interfaces, which are down and without addresses, and begins to carry.</summary>
    /// <param name="link">The hosts, and the names that the interfaces are to have.</param>
    /// <param name="quality">How bad it is.</param>
    /// <param name="mtu">Bytes of the longest IP packet, 68 to 65535.</param>
    internal Wire(Link link, WireQuality quality, int mtu)
    {
        Link = link;
        DelayLine there = new(quality, mtu, seed: 1), back = new(quality, mtu, seed: 2);
        _atA = Create(link.A, link.InterfaceOfA, mtu);
        _atB = Create(link.B, link.InterfaceOfB, mtu);
        (_there, _back) = (new WireDirection(_atA, _atB, there), new WireDirection(_atB, _atA, back));
    }

    /// <summary>The hosts and the interfaces that it is between.</summary>
    public Link Link { get; }

    /// <summary>Ends it; both interfaces are gone.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            _disposed = true;
        }
        _there.Dispose();
        _back.Dispose();
        _atA.Dispose();
        _atB.Dispose();
    }

    private static TunDevice Create(Host host, string name, int mtu) => host.Namespace.Run(() => TunDevice.Create(name, mtu));
}

/// <summary>
/// Carries packets from one end of a <see cref="Wire"/> to the other: one thread puts them into the line, one takes them out when they are
/// due. Both end when an interface is gone. The wire disposes it, and then the interfaces.
/// </summary>
internal sealed class WireDirection : IDisposable
{
    private const int Batch = 64;

    private readonly TunQueue _from, _to;
    private readonly DelayLine _line;
    private readonly Lock _lock = new();
    private readonly Waiter _due = new();
    private readonly Thread _in, _out;
    private volatile bool _ending;

    public WireDirection(TunDevice from, TunDevice to, DelayLine line)
    {
        (_from, _to, _line) = (from.Queues[0], to.Queues[0], line);
        _in = DedicatedThread.Start($"wire from {from.Name}", PutIn, Cut);
        _out = DedicatedThread.Start($"wire to {to.Name}", TakeOut, Cut);
    }

    public void Dispose()
    {
        _ending = true;
        _from.Wake();
        _due.Wake();
        _in.Join();
        _out.Join();
        _due.Dispose();
    }

    private void PutIn()
    {
        PacketBuffer[] buffers = PacketBuffer.Allocate(Batch);
        while (!_ending)
        {
            _from.WaitReadable();
            int count = _from.Read(buffers);
            bool wasEmpty;
            lock (_lock)
            {
                wasEmpty = _line.NextDue == Instant.Never;
                foreach (PacketBuffer buffer in buffers.AsSpan(0, count))
                    _line.TryAdd(BootClock.Now, buffer.Packet);
            }
            if (wasEmpty)
                _due.Wake(); // Packets come out in their order: else somebody waits for an earlier one already.
        }
    }

    private static void Cut(Exception exception)
    {
        // A LinuxException: the interface was deleted under us.
        if (exception is not LinuxException)
            Console.Error.WriteLine(exception);
    }

    private void TakeOut()
    {
        PacketBuffer[] buffers = PacketBuffer.Allocate(Batch);
        while (!_ending)
        {
            int count = 0;
            Instant next;
            lock (_lock)
            {
                for (; count < Batch; count++)
                {
                    buffers[count].Reset();
                    buffers[count].Length = PacketBuffer.MaximumLength;
                    if (!_line.TryTake(BootClock.Now, buffers[count].Packet, out int length))
                        break;
                    buffers[count].Length = length;
                }
                next = _line.NextDue;
            }
            _to.Write(buffers.AsSpan(0, count)); // What an interface that is down or gone does not take is lost.
            _due.Wait(next);
        }
    }
}
