using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Protocol.Offload;

namespace Kedge.Tests.Dataplane;

/// <summary>The in-memory twin of a queue of a TUN interface: the test is the kernel behind it.</summary>
/// <param name="offloads">What the test, as the kernel, takes and gives.</param>
internal sealed class MemoryPacketQueue(TunOffloads offloads = TunOffloads.None) : IPacketQueue, IDisposable
{
    private const int Capacity = 256;

    private readonly PacketRing _toRead = new(Capacity);
    private readonly PacketRing _written = new(Capacity);

    public TunOffloads Offloads => offloads;

    public bool RefusesJoined { get; set; }

    /// <summary>Routes a packet to the interface, whose queue this is.</summary>
    public void Inject(PacketBuffer packet) => Assert.True(_toRead.TryAdd(packet));

    /// <summary>Takes packets that came out of the interface.</summary>
    public int TakeWritten(ReadOnlySpan<PacketBuffer> buffers) => _written.Take(buffers);

    public int Read(ReadOnlySpan<PacketBuffer> buffers) => _toRead.Take(buffers);

    public int Write(ReadOnlySpan<PacketBuffer> buffers)
    {
        int written = 0;
        foreach (PacketBuffer buffer in buffers)
            written += IsTaken(buffer) && _written.TryAdd(buffer) ? 1 : 0;
        return written;
    }

    public void WaitReadable() => _toRead.WaitReadable();

    public void Wake() => _toRead.Wake();

    public void Dispose()
    {
        _toRead.Dispose();
        _written.Dispose();
    }

    private bool IsTaken(PacketBuffer buffer) => buffer.Vnet.GsoType switch
    {
        GsoType.None => !buffer.Vnet.NeedsChecksum || offloads != TunOffloads.None,
        GsoType.Udp => (offloads & TunOffloads.Udp) != 0,
        _ => (offloads & TunOffloads.Tcp) != 0,
    };
}
