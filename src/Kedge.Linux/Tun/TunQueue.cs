using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Protocol.Offload;

namespace Kedge.Linux.Tun;

/// <summary>
/// One queue of a <see cref="TunDevice"/>, which makes and disposes it: packets that the kernel has put into it are read here, and what is
/// written here comes out of the interface.
/// </summary>
public sealed unsafe class TunQueue : IPacketQueue, IDisposable
{
    private readonly Descriptor _reader;
    private readonly Descriptor _writer;
    private readonly Epoll _epoll = new();
    private readonly string _interfaceName;
    private readonly int _headerLength;
    private PacketBuffer? _segment; // for packets that the kernel refuses whole
    private volatile bool _refusesJoined;
    private long _lostWhileDown;
    private long _lostToFullQueue;
    private long _refused;
    private long _malformed;

    /// <summary>Takes over the descriptors.</summary>
    /// <param name="reader">What packets are read from.</param>
    /// <param name="writer">What they are written to; may be the same.</param>
    /// <param name="interfaceName">For errors.</param>
    /// <param name="hasHeader">Whether a <see cref="VirtioHeader"/> is before each packet.</param>
    /// <param name="offloads">What the interface was set to.</param>
    internal TunQueue(Descriptor reader, Descriptor writer, string interfaceName, bool hasHeader, TunOffloads offloads)
    {
        (_reader, _writer, _interfaceName, Offloads) = (reader, writer, interfaceName, offloads);
        _headerLength = hasHeader ? VirtioHeader.Length : 0;
        _epoll.Add(reader.Number);
    }

    /// <summary>A descriptor that is attached to the interface.</summary>
    internal int Number => _reader.Number;

    /// <inheritdoc/>
    public TunOffloads Offloads { get; }

    /// <inheritdoc/>
    public bool RefusesJoined => _refusesJoined;

    /// <summary>What this queue has lost so far, by reason. Any thread.</summary>
    internal TunLosses Losses => new(
        Volatile.Read(ref _lostWhileDown),
        Volatile.Read(ref _lostToFullQueue),
        Volatile.Read(ref _refused),
        Volatile.Read(ref _malformed));

    /// <inheritdoc/>
    public int Read(ReadOnlySpan<PacketBuffer> buffers)
    {
        int start = PacketBuffer.Headroom - _headerLength;
        nuint capacity = (nuint)(_headerLength + PacketBuffer.MaximumLength);
        int count = 0;
        while (count < buffers.Length)
        {
            PacketBuffer buffer = buffers[count];
            nint length = Libc.read(_reader.Number, buffer.Address + start, capacity);
            if (length < 0)
            {
                int error = Marshal.GetLastPInvokeError();
                if (error == Errno.EAGAIN)
                    break;
                if (error != Errno.EINTR)
                    throw Gone(error);
                continue;
            }
            buffer.Reset();
            buffer.Length = Math.Max(0, (int)length - _headerLength);
            if (length >= _headerLength && (_headerLength == 0 || VirtioHeader.TryRead(buffer)))
                count++;
            else
                Interlocked.Increment(ref _malformed);
        }
        return count;
    }

    /// <inheritdoc/>
    public int Write(ReadOnlySpan<PacketBuffer> buffers)
    {
        int written = 0;
        foreach (PacketBuffer buffer in buffers)
        {
            bool isJoined = buffer.Vnet.GsoType != GsoType.None;
            int error = isJoined && _refusesJoined ? Errno.EINVAL : WriteWhole(buffer);
            // Kernels of some vendors grant an offload and then refuse what it allows.
            if (error == Errno.EINVAL && isJoined && TryWriteSegments(buffer))
            {
                _refusesJoined = true;
                error = 0;
            }
            if (error == 0)
                written++;
            else
                CountLoss(error);
        }
        return written;
    }

    /// <inheritdoc/>
    public void WaitReadable()
    {
        // The kernel reports an error from the moment it begins to delete the interface; a read may still say EAGAIN then.
        if (_epoll.Wait())
            throw Gone(Errno.EBADFD);
    }

    /// <inheritdoc/>
    public void Wake() => _epoll.Wake();

    /// <summary>Closes the descriptors; the device does this.</summary>
    public void Dispose()
    {
        _reader.Dispose();
        _writer.Dispose();
        _epoll.Dispose();
    }

    /// <summary>Writes a packet as it is, and returns the error number; 0 for none.</summary>
    private int WriteWhole(PacketBuffer buffer)
    {
        if (_headerLength != 0)
            VirtioHeader.Write(buffer);
        else if (buffer.Vnet.GsoType != GsoType.None || buffer.Vnet.NeedsChecksum)
            return Errno.EINVAL; // The kernel would take it for one packet that is complete.
        byte* start = buffer.Address + buffer.Offset - _headerLength;
        nuint length = (nuint)(_headerLength + buffer.Length);
        while (Libc.write(_writer.Number, start, length) < 0)
        {
            if (Marshal.GetLastPInvokeError() is var error and not Errno.EINTR)
                return error;
        }
        return 0;
    }

    /// <summary>Writes the packets that a packet stands for one by one.</summary>
    /// <returns>False if it stands for none, or the kernel refuses the first of them too.</returns>
    private bool TryWriteSegments(PacketBuffer buffer)
    {
        if (_headerLength == 0 || !SuperPacket.TryParse(buffer.Packet, buffer.Vnet, out SuperPacket whole))
            return false;
        _segment ??= new PacketBuffer();
        for (int i = 0; i < whole.SegmentCount; i++)
        {
            _segment.Reset();
            _segment.Length = whole.SegmentLength(i);
            whole.WriteSegment(i, _segment.Packet);
            int error = WriteWhole(_segment);
            if (i == 0 && error == Errno.EINVAL)
                return false;
            if (error != 0)
                CountLoss(error);
        }
        return true;
    }

    private LinuxException Gone(int error) => new(error, "read from TUN interface", _interfaceName);

    private void CountLoss(int error)
    {
        switch (error)
        {
            case Errno.EIO or Errno.EBADFD:
                Interlocked.Increment(ref _lostWhileDown);
                break;
            case Errno.EAGAIN or Errno.ENOBUFS or Errno.ENOMEM:
                Interlocked.Increment(ref _lostToFullQueue);
                break;
            default:
                Interlocked.Increment(ref _refused);
                break;
        }
    }
}
