using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Protocol.Offload;

namespace Kedge.Linux.Tun;

/// <summary>
/// A TUN interface: what the kernel routes to it is read here, what is written here comes out of it. It exists as long as this object does,
/// unless it is persistent. The descriptor stays usable when the interface is moved to another network namespace.
/// </summary>
public sealed unsafe class TunDevice : IPacketDevice
{
    /// <summary>The MTU of an interface that is not told otherwise: 1,500 less what WireGuard over IPv6 and Ethernet may take.</summary>
    public const int DefaultMtu = 1420;

    /// <summary>Packets that the kernel queues for us (<c>txqueuelen</c>); with far fewer, TCP bursts overrun it.</summary>
    private const int QueueLength = 500;

    private const string ControlDevice = "/dev/net/tun";

    /// <summary>Bytes before each packet that tell about offloads (<c>IFF_VNET_HDR</c>); they go into the buffer's headroom.</summary>
    private readonly int _headerLength;

    private readonly Descriptor _descriptor;
    private readonly Epoll _epoll = new();
    private readonly SegmentLimit? _limit;
    private int _mtu;
    private long _lostWhileDown;
    private long _lostToFullQueue;
    private long _refused;
    private long _malformed;

    private TunDevice(Descriptor descriptor, string name, int mtu, bool hasHeader, TunOffloads offloads)
    {
        _descriptor = descriptor;
        _mtu = mtu;
        _headerLength = hasHeader ? VirtioHeader.Length : 0;
        Name = name;
        Offloads = offloads;
        _epoll.Add(descriptor.Number);
        if (offloads == TunOffloads.None)
            return;
        _limit = SegmentLimit.Open(name);
        _limit?.Fit(mtu);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public int Mtu => Volatile.Read(ref _mtu);

    /// <inheritdoc/>
    public TunOffloads Offloads { get; }

    /// <summary>
    /// For how many packets one that is read should stand at most: fitted to the MTU, so that what is made of one fits into one message of
    /// UDP; 65,535 where the kernel did not grant that. Who reads copes with more all the same: this limit is set a moment after the MTU,
    /// and anybody may change it. Any thread.
    /// </summary>
    public int MaximumSegments => Offloads == TunOffloads.None ? 1 : _limit?.Segments ?? SegmentLimit.Unlimited;

    /// <summary>What was lost so far, by reason. Any thread.</summary>
    public TunLosses Losses => new(
        Volatile.Read(ref _lostWhileDown),
        Volatile.Read(ref _lostToFullQueue),
        Volatile.Read(ref _refused),
        Volatile.Read(ref _malformed));

    /// <summary>
    /// Makes the interface, or attaches to the persistent one of this name, and sets its MTU. It is down, as the kernel makes it. It
    /// belongs to the network namespace of the calling thread.
    /// </summary>
    /// <param name="name">1 to 15 bytes; with <c>%d</c> the kernel puts in the first free number, see <see cref="Name"/>.</param>
    /// <param name="mtu">Bytes of the longest packet.</param>
    /// <param name="isPersistent">
    /// Whether the interface stays, with its addresses and routes, when this object and the process end; else it is left as it is.
    /// </param>
    /// <param name="withOffloads">Whether to have those <see cref="Offloads"/> that the kernel has.</param>
    /// <exception cref="ArgumentException">No interface can have this name.</exception>
    /// <exception cref="LinuxException">The kernel refused; EBUSY where another process holds the interface.</exception>
    public static TunDevice Create(string name, int mtu = DefaultMtu, bool isPersistent = false, bool withOffloads = false)
    {
        if (InterfaceName.Error(name) is { } error)
            throw new ArgumentException(error, nameof(name));
        Descriptor descriptor = OpenControl();
        try
        {
            bool hasHeader = withOffloads;
            string realName = Attach(descriptor.Number, name, ref hasHeader);
            TunOffloads offloads = SetOffloads(descriptor.Number, realName, hasHeader, withOffloads);
            if (isPersistent)
                _ = Descriptor.Check(Libc.ioctl(descriptor.Number, Libc.TUNSETPERSIST, (void*)1), "make persistent", realName);
            InterfaceName.Set(Libc.SIOCSIFMTU, "set MTU of", realName, mtu);
            InterfaceName.Set(Libc.SIOCSIFTXQLEN, "set txqueuelen of", realName, QueueLength);
            DisableLinkLocalAddress(realName);
            return new TunDevice(descriptor, realName, mtu, hasHeader, offloads);
        }
        catch
        {
            descriptor.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Takes over an attached TUN descriptor from whoever started this process; it is closed with the device. Whether a header is before
    /// each packet was settled when the descriptor was attached: with it, offloads can be had or not; without, there are none.
    /// </summary>
    /// <param name="number">The descriptor's number.</param>
    /// <param name="withOffloads">Whether to have those <see cref="Offloads"/> that the descriptor and the kernel have.</param>
    /// <exception cref="ArgumentException">
    /// The descriptor is a TAP, or prefixes packets with a header that this class does not read.
    /// </exception>
    /// <exception cref="LinuxException">
    /// It is no attached TUN descriptor, or its interface is not in this thread's network namespace.
    /// </exception>
    public static TunDevice FromDescriptor(int number, bool withOffloads = false)
    {
        Libc.Ifreq request = default;
        _ = Descriptor.Check(Libc.ioctl(number, Libc.TUNGETIFF, &request), "take over TUN", $"descriptor {number}");
        if ((request.Flags & (Libc.IFF_TUN | Libc.IFF_NO_PI)) != (Libc.IFF_TUN | Libc.IFF_NO_PI))
        {
            throw new ArgumentException(
                $"Descriptor {number} has the TUN flags 0x{request.Flags:x}: IFF_TUN and IFF_NO_PI must be set.", nameof(number));
        }
        bool hasHeader = (request.Flags & Libc.IFF_VNET_HDR) != 0;
        string name = InterfaceName.FromRequest(request);
        int mtu = InterfaceName.Get(Libc.SIOCGIFMTU, "read MTU of", name);
        int flags = Descriptor.Check(Libc.fcntl(number, Libc.F_GETFL, 0), "fcntl", name);
        _ = Descriptor.Check(Libc.fcntl(number, Libc.F_SETFL, flags | Libc.O_NONBLOCK), "fcntl", name);
        _ = Descriptor.Check(Libc.fcntl(number, Libc.F_SETFD, Libc.FD_CLOEXEC), "fcntl", name);
        TunOffloads offloads = SetOffloads(number, name, hasHeader, withOffloads);
        return new TunDevice(new Descriptor(number), name, mtu, hasHeader, offloads);
    }

    /// <summary>
    /// Records the MTU that the interface has got from elsewhere, as a <see cref="Netlink.LinkMonitor"/> reports it. Changes nothing on the
    /// interface itself but <see cref="MaximumSegments"/>, for which it asks the kernel where that is not what it should be: on a thread
    /// that may wait, as the one that reads the monitor may. Any thread.
    /// </summary>
    public void RecordMtu(int mtu)
    {
        Volatile.Write(ref _mtu, mtu);
        _limit?.Fit(mtu);
    }

    /// <inheritdoc/>
    public int Read(ReadOnlySpan<PacketBuffer> buffers)
    {
        int start = PacketBuffer.Headroom - _headerLength;
        nuint capacity = (nuint)(_headerLength + PacketBuffer.MaximumLength);
        int count = 0;
        while (count < buffers.Length)
        {
            PacketBuffer buffer = buffers[count];
            nint length = Libc.read(_descriptor.Number, buffer.Address + start, capacity);
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
            if (_headerLength != 0)
            {
                VirtioHeader.Write(buffer);
            }
            else if (buffer.GsoType != GsoType.None || buffer.NeedsChecksum)
            {
                // The kernel would take it for one packet that is complete.
                CountLoss(Errno.EINVAL);
                continue;
            }
            byte* start = buffer.Address + buffer.Offset - _headerLength;
            nuint length = (nuint)(_headerLength + buffer.Length);
            nint taken;
            do
                taken = Libc.write(_descriptor.Number, start, length);
            while (taken < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
            if (taken >= 0)
                written++;
            else
                CountLoss(Marshal.GetLastPInvokeError());
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

    /// <summary>Closes the descriptor; an interface that is not persistent is deleted by that.</summary>
    public void Dispose()
    {
        _descriptor.Dispose();
        _epoll.Dispose();
        _limit?.Dispose();
    }

    /// <summary>Makes the interface or attaches to it.</summary>
    /// <param name="number">A descriptor without an interface so far.</param>
    /// <param name="name">As it is asked for.</param>
    /// <param name="hasHeader">Whether there is to be a header before each packet; cleared where the kernel knows none.</param>
    /// <returns>The name that the interface has.</returns>
    private static string Attach(int number, string name, ref bool hasHeader)
    {
        while (true)
        {
            Libc.Ifreq request = InterfaceName.ToRequest(name);
            request.Flags = (short)(Libc.IFF_TUN | Libc.IFF_NO_PI | (hasHeader ? Libc.IFF_VNET_HDR : 0));
            if (Libc.ioctl(number, Libc.TUNSETIFF, &request) >= 0)
                return InterfaceName.FromRequest(request);
            int error = Marshal.GetLastPInvokeError();
            if (error != Errno.EINVAL || !hasHeader)
            {
                throw error == Errno.EBUSY
                    ? new LinuxException(error, "attach to interface", $"{name}, which another process holds")
                    : new LinuxException(error, "create TUN interface", name);
            }
            hasHeader = false;
        }
    }

    /// <summary>
    /// Sets the header's length and the offloads, whatever they are to be: they belong to the interface, and whoever held it before may
    /// have left any. Takes as many offloads as the kernel has.
    /// </summary>
    private static TunOffloads SetOffloads(int number, string name, bool hasHeader, bool areWanted)
    {
        if (hasHeader)
        {
            int length = VirtioHeader.Length;
            _ = Descriptor.Check(Libc.ioctl(number, Libc.TUNSETVNETHDRSZ, &length), "set header length of", name);
        }
        const nint Tcp = Libc.TUN_F_CSUM | Libc.TUN_F_TSO4 | Libc.TUN_F_TSO6 | Libc.TUN_F_TSO_ECN;
        if (hasHeader && areWanted)
        {
            if (Libc.ioctl(number, Libc.TUNSETOFFLOAD, (void*)(Tcp | Libc.TUN_F_USO4 | Libc.TUN_F_USO6)) >= 0)
                return TunOffloads.Tcp | TunOffloads.Udp;
            if (Libc.ioctl(number, Libc.TUNSETOFFLOAD, (void*)Tcp) >= 0)
                return TunOffloads.Tcp;
        }
        _ = Descriptor.Check(Libc.ioctl(number, Libc.TUNSETOFFLOAD, null), "set offloads of", name);
        return TunOffloads.None;
    }

    /// <summary>
    /// Keeps the kernel from giving the interface an fe80:: address of its own, and from looking for routers with it: a peer for ::/0 would
    /// be woken by that each time the interface comes up. The kernel's own WireGuard interfaces have none either.
    /// </summary>
    private static void DisableLinkLocalAddress(string name)
    {
        const string NoAddress = "1"; // IN6_ADDR_GEN_MODE_NONE
        try
        {
            File.WriteAllText($"/proc/sys/net/ipv6/conf/{name}/addr_gen_mode", NoAddress);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No IPv6 here, or a container that may not change settings: the address does no harm.
        }
    }

    private static Descriptor OpenControl() =>
        Descriptor.From(Libc.open(ControlDevice, Libc.O_RDWR | Libc.O_NONBLOCK | Libc.O_CLOEXEC, 0), "open", ControlDevice);

    private LinuxException Gone(int error) => new(error, "read from TUN interface", Name);

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
