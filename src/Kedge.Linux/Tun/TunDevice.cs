using System.Runtime.InteropServices;
using Kedge.Linux.Interop;

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

    /// <summary>
    /// Bytes before each packet that tell about offloads (<c>IFF_VNET_HDR</c>); they go into the buffer's headroom. None so far.
    /// </summary>
    private readonly int _headerLength;

    private readonly Descriptor _descriptor;
    private readonly Epoll _epoll = new();
    private int _mtu;
    private long _lostWhileDown;
    private long _lostToFullQueue;
    private long _refused;

    private TunDevice(Descriptor descriptor, string name, int mtu, int headerLength = 0)
    {
        _descriptor = descriptor;
        _mtu = mtu;
        _headerLength = headerLength;
        Name = name;
        _epoll.Add(descriptor.Number);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public int Mtu => Volatile.Read(ref _mtu);

    /// <summary>What was written in vain so far, by reason. Any thread.</summary>
    public TunLosses Losses => new(Volatile.Read(ref _lostWhileDown), Volatile.Read(ref _lostToFullQueue), Volatile.Read(ref _refused));

    /// <summary>
    /// Makes the interface, or attaches to the persistent one of this name, and sets its MTU. It is down, as the kernel makes it. It
    /// belongs to the network namespace of the calling thread.
    /// </summary>
    /// <param name="name">1 to 15 bytes; with <c>%d</c> the kernel puts in the first free number, see <see cref="Name"/>.</param>
    /// <param name="mtu">Bytes of the longest packet.</param>
    /// <param name="isPersistent">
    /// Whether the interface stays, with its addresses and routes, when this object and the process end; else it is left as it is.
    /// </param>
    /// <exception cref="ArgumentException">No interface can have this name.</exception>
    /// <exception cref="LinuxException">The kernel refused; EBUSY where another process holds the interface.</exception>
    public static TunDevice Create(string name, int mtu = DefaultMtu, bool isPersistent = false)
    {
        if (InterfaceName.Error(name) is { } error)
            throw new ArgumentException(error, nameof(name));
        Descriptor descriptor = OpenControl();
        try
        {
            Libc.Ifreq request = InterfaceName.ToRequest(name);
            request.Flags = Libc.IFF_TUN | Libc.IFF_NO_PI;
            if (Libc.ioctl(descriptor.Number, Libc.TUNSETIFF, &request) < 0)
            {
                int errno = Marshal.GetLastPInvokeError();
                throw errno == Errno.EBUSY
                    ? new LinuxException(errno, "attach to interface", $"{name}, which another process holds")
                    : new LinuxException(errno, "create TUN interface", name);
            }
            string realName = InterfaceName.FromRequest(request);
            // Whoever held it before may have had offloads on; without the header that goes with them, they would be garbage to us.
            _ = Descriptor.Check(Libc.ioctl(descriptor.Number, Libc.TUNSETOFFLOAD, null), "set offloads of", realName);
            if (isPersistent)
                _ = Descriptor.Check(Libc.ioctl(descriptor.Number, Libc.TUNSETPERSIST, (void*)1), "make persistent", realName);
            InterfaceName.Set(Libc.SIOCSIFMTU, "set MTU of", realName, mtu);
            InterfaceName.Set(Libc.SIOCSIFTXQLEN, "set txqueuelen of", realName, QueueLength);
            DisableLinkLocalAddress(realName);
            return new TunDevice(descriptor, realName, mtu);
        }
        catch
        {
            descriptor.Dispose();
            throw;
        }
    }

    /// <summary>Takes over an attached TUN descriptor from whoever started this process; it is closed with the device.</summary>
    /// <param name="number">The descriptor's number.</param>
    /// <exception cref="ArgumentException">
    /// The descriptor is a TAP, or prefixes packets with a header that this class does not read.
    /// </exception>
    /// <exception cref="LinuxException">
    /// It is no attached TUN descriptor, or its interface is not in this thread's network namespace.
    /// </exception>
    public static TunDevice FromDescriptor(int number)
    {
        Libc.Ifreq request = default;
        _ = Descriptor.Check(Libc.ioctl(number, Libc.TUNGETIFF, &request), "take over TUN", $"descriptor {number}");
        if ((request.Flags & (Libc.IFF_TUN | Libc.IFF_NO_PI | Libc.IFF_VNET_HDR)) != (Libc.IFF_TUN | Libc.IFF_NO_PI))
        {
            throw new ArgumentException(
                $"Descriptor {number} has the TUN flags 0x{request.Flags:x}: IFF_TUN and IFF_NO_PI must be set, and IFF_VNET_HDR not.",
                nameof(number));
        }
        string name = InterfaceName.FromRequest(request);
        int mtu = InterfaceName.Get(Libc.SIOCGIFMTU, "read MTU of", name);
        int flags = Descriptor.Check(Libc.fcntl(number, Libc.F_GETFL, 0), "fcntl", name);
        _ = Descriptor.Check(Libc.fcntl(number, Libc.F_SETFL, flags | Libc.O_NONBLOCK), "fcntl", name);
        _ = Descriptor.Check(Libc.fcntl(number, Libc.F_SETFD, Libc.FD_CLOEXEC), "fcntl", name);
        return new TunDevice(new Descriptor(number), name, mtu);
    }

    /// <summary>
    /// Records the MTU that the interface has got from elsewhere, as a <see cref="Netlink.LinkMonitor"/> reports it. Changes nothing on the
    /// interface itself. Any thread.
    /// </summary>
    public void RecordMtu(int mtu) => Volatile.Write(ref _mtu, mtu);

    /// <inheritdoc/>
    public int Read(ReadOnlySpan<PacketBuffer> buffers)
    {
        int start = PacketBuffer.Headroom - _headerLength;
        nuint capacity = (nuint)(_headerLength + PacketBuffer.MaximumLength);
        for (int i = 0; i < buffers.Length; i++)
        {
            PacketBuffer buffer = buffers[i];
            nint length;
            while ((length = Libc.read(_descriptor.Number, buffer.Address + start, capacity)) < 0)
            {
                int error = Marshal.GetLastPInvokeError();
                if (error == Errno.EAGAIN)
                    return i;
                if (error != Errno.EINTR)
                    throw Gone(error);
            }
            buffer.Reset();
            buffer.Length = (int)length - _headerLength;
        }
        return buffers.Length;
    }

    /// <inheritdoc/>
    public int Write(ReadOnlySpan<PacketBuffer> buffers)
    {
        int written = 0;
        foreach (PacketBuffer buffer in buffers)
        {
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
