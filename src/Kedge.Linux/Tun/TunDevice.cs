using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Netlink;

namespace Kedge.Linux.Tun;

/// <summary>
/// A TUN interface: what the kernel routes to it is read from its <see cref="Queues"/>, what is written there comes out of it. It exists as
/// long as this object does, unless it is persistent. The descriptors stay usable when the interface is moved to another network namespace.
/// <para>
/// Several queues are for as many pairs of threads. The kernel puts each packet into the queue that the hash of its flow says (addresses
/// and, unless it is a fragment, ports), so a flow is read in its order from one queue. Left to itself, the kernel would go by what was
/// written, too: answers to packets of one queue would come in that queue. That moves a flow while packets of it may still wait in another
/// queue, and it gathers all flows with one peer, whose datagrams all arrive at one socket, in one queue. So each queue is written by a
/// second descriptor, which is attached and then detached again (<c>TUNSETQUEUE</c>): from such a one the kernel takes packets and learns
/// nothing.
/// </para>
/// Whoever made it disposes it, after the threads that use the queues have ended.
/// </summary>
public sealed unsafe class TunDevice : IAttachedLink, IDisposable
{
    /// <summary>The MTU of an interface that is not told otherwise: 1,500 less what WireGuard over IPv6 and Ethernet may take.</summary>
    public const int DefaultMtu = 1420;

    /// <summary>Queues of one interface: more than two threads each can make use of on machines of today.</summary>
    public const int MaximumQueues = 8;

    /// <summary>Packets that the kernel queues for us (<c>txqueuelen</c>); with far fewer, TCP bursts overrun it.</summary>
    private const int QueueLength = 500;

    private const string ControlDevice = "/dev/net/tun";

    private readonly TunQueue[] _queues;
    private readonly SegmentLimit? _limit;
    private int _mtu;

    private TunDevice(string name, int mtu, TunQueue[] queues)
    {
        (Name, _mtu, _queues) = (name, mtu, queues);
        if (Offloads == TunOffloads.None)
            return;
        _limit = SegmentLimit.Open(name, this);
        _limit?.Fit(mtu);
    }

    /// <summary>The name that the interface was made with; anybody may rename it.</summary>
    public string Name { get; }

    /// <inheritdoc/>
    public string? CurrentName
    {
        get
        {
            Libc.Ifreq request = default;
            return Libc.ioctl(_queues[0].Number, Libc.TUNGETIFF, &request) < 0 ? null : InterfaceName.FromRequest(request);
        }
    }

    /// <inheritdoc/>
    public bool TryRunInside(Action action)
    {
        int number = Libc.ioctl(_queues[0].Number, Libc.TUNGETDEVNETNS, null);
        if (number < 0)
            return false;
        using var inside = new Descriptor(number);
        NetworkNamespace.RunInside(inside.Number, Name, action);
        return true;
    }

    /// <summary>Bytes of the longest packet, as last set on the interface. Any thread.</summary>
    public int Mtu => Volatile.Read(ref _mtu);

    /// <summary>The queues, at least one. They are this object's.</summary>
    public IReadOnlyList<TunQueue> Queues => _queues;

    /// <summary>What the queues may give and take beyond plain packets.</summary>
    public TunOffloads Offloads => _queues[0].Offloads;

    /// <summary>
    /// For how many packets one that is read should stand at most: fitted to the MTU, so that what is made of one fits into one message of
    /// UDP; 65,535 where the kernel did not grant that. Who reads copes with more all the same: this limit is set a moment after the MTU,
    /// and anybody may change it. Any thread.
    /// </summary>
    public int MaximumSegments => Offloads == TunOffloads.None ? 1 : _limit?.Segments ?? SegmentLimit.Unlimited;

    /// <summary>Whether the kernel refuses packets that stand for several, so that none are written any more. Any thread.</summary>
    public bool RefusesJoined => Array.Exists(_queues, queue => queue.RefusesJoined);

    /// <summary>What was lost so far, by reason. Any thread.</summary>
    public TunLosses Losses
    {
        get
        {
            TunLosses sum = default;
            foreach (TunQueue queue in _queues)
                sum += queue.Losses;
            return sum;
        }
    }

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
    /// <param name="queues">
    /// How many queues to have, 1 to <see cref="MaximumQueues"/>. A persistent interface that was made for a single one has one.
    /// </param>
    /// <exception cref="ArgumentException">No interface can have this name.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There cannot be so many queues.</exception>
    /// <exception cref="LinuxException">
    /// The kernel refused; EBUSY where another process holds the interface. It does not say so of an interface that was made for several
    /// queues: <see cref="TunAttributes.AttachedQueues"/> does.
    /// </exception>
    public static TunDevice Create(
        string name, int mtu = DefaultMtu, bool isPersistent = false, bool withOffloads = false, int queues = 1)
    {
        if (InterfaceName.Error(name) is { } error)
            throw new ArgumentException(error, nameof(name));
        ArgumentOutOfRangeException.ThrowIfLessThan(queues, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(queues, MaximumQueues);
        List<Descriptor> descriptors = [OpenControl()];
        try
        {
            int first = descriptors[0].Number;
            string realName = Attach(first, name, hasHeader: withOffloads, isMultiQueue: queues > 1, out short flags);
            bool hasHeader = (flags & Libc.IFF_VNET_HDR) != 0;
            TunOffloads offloads = SetOffloads(first, realName, hasHeader, withOffloads);
            if (isPersistent)
                _ = Descriptor.Check(Libc.ioctl(first, Libc.TUNSETPERSIST, (void*)1), "make persistent", realName);
            InterfaceName.Set(Libc.SIOCSIFMTU, "set MTU of", realName, mtu);
            TryLengthenQueue(realName);
            DisableLinkLocalAddress(realName);
            if (queues > 1 && (flags & Libc.IFF_MULTI_QUEUE) != 0)
                AddQueues(descriptors, queues, realName, flags);
            return new TunDevice(realName, mtu, ToQueues(descriptors, realName, hasHeader, offloads));
        }
        catch
        {
            descriptors.ForEach(descriptor => descriptor.Dispose());
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
        return new TunDevice(name, mtu, ToQueues([new Descriptor(number)], name, hasHeader, offloads));
    }

    /// <summary>
    /// Records the MTU that the interface has got from elsewhere, as a <see cref="LinkMonitor"/> reports it. Changes nothing on the
    /// interface itself but <see cref="MaximumSegments"/>, for which it asks the kernel where that is not what it should be: on a thread
    /// that may wait, as the one that reads the monitor may. Any thread.
    /// </summary>
    public void RecordMtu(int mtu)
    {
        Volatile.Write(ref _mtu, mtu);
        _limit?.Fit(mtu);
    }

    /// <summary>Closes the descriptors; an interface that is not persistent is deleted by that.</summary>
    public void Dispose()
    {
        foreach (TunQueue queue in _queues)
            queue.Dispose();
        _limit?.Dispose();
    }

    /// <summary>Makes the interface or attaches to it.</summary>
    /// <param name="number">A descriptor without an interface so far.</param>
    /// <param name="name">As it is asked for.</param>
    /// <param name="hasHeader">Whether there is to be a header before each packet.</param>
    /// <param name="isMultiQueue">Whether there are to be several queues.</param>
    /// <param name="flags">
    /// What there is: less, where the kernel knows no header, or the interface was made for one queue or for several.
    /// </param>
    /// <returns>The name that the interface has.</returns>
    private static string Attach(int number, string name, bool hasHeader, bool isMultiQueue, out short flags)
    {
        short header = hasHeader ? Libc.IFF_VNET_HDR : (short)0;
        short queues = isMultiQueue ? Libc.IFF_MULTI_QUEUE : (short)0;
        short otherQueues = (short)(queues ^ Libc.IFF_MULTI_QUEUE);
        foreach (int options in (ReadOnlySpan<int>)[header | queues, header | otherQueues, queues, otherQueues])
        {
            flags = (short)(Libc.IFF_TUN | Libc.IFF_NO_PI | options);
            if (TryAttach(number, name, flags) is { } realName)
                return realName;
        }
        throw new LinuxException(Errno.EINVAL, "create TUN interface", name);
    }

    /// <summary>The name of the interface; null where the kernel does not take these flags (EINVAL).</summary>
    private static string? TryAttach(int number, string name, short flags)
    {
        Libc.Ifreq request = InterfaceName.ToRequest(name);
        request.Flags = flags;
        if (Libc.ioctl(number, Libc.TUNSETIFF, &request) >= 0)
            return InterfaceName.FromRequest(request);
        return Marshal.GetLastPInvokeError() switch
        {
            Errno.EINVAL => null,
            Errno.EBUSY => throw new LinuxException(Errno.EBUSY, "attach to interface", $"{name}, which another process holds"),
            var error => throw new LinuxException(error, "create TUN interface", name),
        };
    }

    /// <summary>
    /// Attaches descriptors until there are two a queue, first all that are written to, then all that are read from, and detaches the
    /// former. In this order, because a detached one keeps its number, by which the kernel tells where a packet came in, and it warns of
    /// numbers that there are no queues for.
    /// </summary>
    private static void AddQueues(List<Descriptor> descriptors, int queues, string name, short flags)
    {
        while (descriptors.Count < 2 * queues)
        {
            descriptors.Add(OpenControl());
            if (TryAttach(descriptors[^1].Number, name, flags) is null)
                throw new LinuxException(Errno.EINVAL, "add a queue to", name);
        }
        foreach (Descriptor writer in descriptors[..queues])
        {
            Libc.Ifreq request = default;
            request.Flags = Libc.IFF_DETACH_QUEUE;
            _ = Descriptor.Check(Libc.ioctl(writer.Number, Libc.TUNSETQUEUE, &request), "detach a queue of", name);
        }
    }

    /// <summary>The queues of one descriptor, or of two each, the first half of which are written to.</summary>
    private static TunQueue[] ToQueues(List<Descriptor> descriptors, string name, bool hasHeader, TunOffloads offloads)
    {
        int count = (descriptors.Count + 1) / 2;
        return [.. descriptors[..count].Select((writer, i) =>
            new TunQueue(reader: descriptors[descriptors.Count - count + i], writer, name, hasHeader, offloads))];
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

    // In a user namespace, as in a rootless container, root may make an interface but not do this: then the kernel's own length has to do.
    private static void TryLengthenQueue(string name)
    {
        try
        {
            InterfaceName.Set(Libc.SIOCSIFTXQLEN, "set txqueuelen of", name, QueueLength);
        }
        catch (LinuxException e) when (e.Errno == Errno.EPERM)
        {
        }
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
}
