using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Quic;

/// <summary>
/// A UDP socket that moves up to 64 KiB of datagrams a call: the kernel cuts what is sent and joins what is received. Never fragments, so that
/// QUIC can find out what its path carries. Owned by one thread.
/// </summary>
internal sealed unsafe class QuicSocket : IDisposable
{
    /// <summary>Bytes that one receiving call may yield for each message.</summary>
    public const int BufferLength = 64 << 10;

    /// <summary>Datagrams a message, which every kernel that can cut takes.</summary>
    public const int MostSegments = 64;

    /// <summary>The longest UDP payload over IPv4.</summary>
    public const int LongestRun = 65507;

    private const int QueueLength = 8 << 20;
    private const int Messages = 8;
    private const int ControlLength = 64;

    private readonly Descriptor _descriptor;
    private readonly bool _isIPv6;
    private readonly byte* _memory = (byte*)NativeMemory.AllocZeroed((nuint)(Messages * (BufferLength + ControlLength + 64 + sizeof(Libc.Mmsghdr) + sizeof(Libc.Iovec))));
    private readonly Libc.Mmsghdr* _headers;
    private readonly Libc.SockaddrIn6* _names;
    private readonly byte* _controls;
    private bool _cutsRuns;

    /// <summary>Opens and binds a socket.</summary>
    /// <param name="local">The address and port to bind; port 0 for any.</param>
    /// <exception cref="LinuxException">It cannot be bound.</exception>
    public QuicSocket(Endpoint local)
    {
        _isIPv6 = local.Address.IsIPv6;
        _descriptor = Descriptor.From(
            Libc.socket(_isIPv6 ? Libc.AF_INET6 : Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0), "open", "UDP socket");
        Libc.SockaddrIn6 address;
        uint length = SocketAddress.Write(local, (byte*)&address);
        _ = Descriptor.Check(Libc.bind(Number, &address, length), "bind", $"UDP port {local}");
        length = (uint)sizeof(Libc.SockaddrIn6);
        _ = Descriptor.Check(Libc.getsockname(Number, &address, &length), "look up", "UDP port");
        Local = SocketAddress.Read((byte*)&address);
        if (_isIPv6)
        {
            Set(Libc.IPPROTO_IPV6, Libc.IPV6_RECVPKTINFO, 1);
            Set(Libc.IPPROTO_IPV6, Libc.IPV6_MTU_DISCOVER, Libc.IP_PMTUDISC_PROBE);
        }
        else
        {
            Set(Libc.IPPROTO_IP, Libc.IP_PKTINFO, 1);
            Set(Libc.IPPROTO_IP, Libc.IP_MTU_DISCOVER, Libc.IP_PMTUDISC_PROBE);
        }
        HasShortQueue = !SetQueue(Libc.SO_RCVBUFFORCE, Libc.SO_RCVBUF) | !SetQueue(Libc.SO_SNDBUFFORCE, Libc.SO_SNDBUF);
        int value;
        length = sizeof(int);
        _cutsRuns = Libc.getsockopt(Number, Libc.SOL_UDP, Libc.UDP_SEGMENT, &value, &length) >= 0;
        _ = TrySet(Libc.SOL_UDP, Libc.UDP_GRO, 1);

        byte* next = _memory + Messages * BufferLength;
        _headers = (Libc.Mmsghdr*)next;
        next += Messages * sizeof(Libc.Mmsghdr);
        var vectors = (Libc.Iovec*)next;
        next += Messages * sizeof(Libc.Iovec);
        _names = (Libc.SockaddrIn6*)next;
        _controls = next + Messages * 64;
        for (int i = 0; i < Messages; i++)
        {
            vectors[i] = new() { Base = _memory + i * BufferLength, Length = BufferLength };
            _headers[i].Header = new() { Name = _names + i, Iov = vectors + i, IovLength = 1, Control = _controls + i * ControlLength };
        }
    }

    /// <summary>Takes a run of datagrams: where they are, how many bytes, and how many each has but the last.</summary>
    internal delegate void Taker(byte* start, int length, int segment, Endpoint source, IpAddress destination);

    /// <summary>The address and port that the socket is bound to.</summary>
    public Endpoint Local { get; }

    /// <summary>The descriptor's number.</summary>
    public int Number => _descriptor.Number;

    /// <summary>Whether the kernel has given less room for waiting datagrams than a fast connection needs.</summary>
    public bool HasShortQueue { get; }

    /// <summary>Receives what is there, up to half a megabyte.</summary>
    /// <returns>Whether there may be more.</returns>
    public bool Receive(Taker take)
    {
        for (int i = 0; i < Messages; i++)
        {
            _headers[i].Header.NameLength = (uint)sizeof(Libc.SockaddrIn6);
            _headers[i].Header.ControlLength = ControlLength;
        }
        int count = Libc.recvmmsg(Number, _headers, Messages, Libc.MSG_DONTWAIT, null);
        if (count < 0)
            return Marshal.GetLastPInvokeError() is not Errno.EAGAIN; // anything else is about an earlier datagram
        for (int i = 0; i < count; i++)
        {
            if ((_headers[i].Header.Flags & Libc.MSG_TRUNC) != 0)
                continue;
            int length = (int)_headers[i].Length, segment = length;
            IpAddress destination = default;
            var control = new ControlReader(_controls + i * ControlLength, _headers[i].Header.ControlLength);
            while (control.MoveNext())
            {
                switch (control.Kind)
                {
                    case (Libc.SOL_UDP, Libc.UDP_GRO):
                        segment = MemoryMarshal.Read<int>(control.Value);
                        break;
                    case (Libc.IPPROTO_IP, Libc.IP_PKTINFO):
                        var ipv4 = MemoryMarshal.Read<Libc.InPktinfo>(control.Value);
                        destination = IpAddress.FromBytes(new ReadOnlySpan<byte>(&ipv4.LocalAddress, 4));
                        break;
                    case (Libc.IPPROTO_IPV6, Libc.IPV6_PKTINFO):
                        var ipv6 = MemoryMarshal.Read<Libc.In6Pktinfo>(control.Value);
                        destination = IpAddress.FromBytes(new ReadOnlySpan<byte>(ipv6.Address, 16));
                        break;
                }
            }
            take(_memory + i * BufferLength, length, Math.Max(segment, 1), SocketAddress.Read((byte*)(_names + i)), destination);
        }
        return count == Messages;
    }

    /// <summary>Sends a run of datagrams.</summary>
    /// <param name="start">Where they lie, one behind the other.</param>
    /// <param name="length">Bytes of all.</param>
    /// <param name="segment">Bytes of each but the last.</param>
    /// <param name="local">Whence, as the kernel's structure; any address for the kernel's choice.</param>
    /// <param name="remote">Whither, as the kernel's structure.</param>
    /// <param name="remoteLength">Bytes of that.</param>
    /// <returns>False if there is no room now: the same is to be tried again when the socket is writable. What fails otherwise is lost.</returns>
    public bool Send(byte* start, int length, int segment, byte* local, byte* remote, uint remoteLength)
    {
        byte* control = stackalloc byte[ControlLength];
        new Span<byte>(control, ControlLength).Clear();
        bool isRun = length > segment;
        for (int sent = 0; sent < length;)
        {
            int part = isRun && !_cutsRuns ? Math.Min(segment, length - sent) : length - sent;
            var vector = new Libc.Iovec { Base = start + sent, Length = (nuint)part };
            var message = new Libc.Msghdr { Name = remote, NameLength = remoteLength, Iov = &vector, IovLength = 1 };
            nuint controlLength = WriteControl(control, local, part > segment ? (ushort)segment : (ushort)0);
            if (controlLength > 0)
            {
                message.Control = control;
                message.ControlLength = controlLength;
            }
            if (Libc.sendmsg(Number, &message, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL) >= 0)
            {
                sent += part;
                continue;
            }
            switch (Marshal.GetLastPInvokeError())
            {
                case Errno.EINTR:
                    continue;
                case Errno.EAGAIN when sent == 0:
                    return false;
                case Errno.EIO or Errno.EINVAL when part > segment:
                    _cutsRuns = false; // this way's interface does not cut
                    continue;
                default:
                    sent += part; // lost, as on the wire; longer than the path carries is what probes are for
                    continue;
            }
        }
        return true;
    }

    public void Dispose()
    {
        if (_descriptor.IsClosed)
            return;
        _descriptor.Dispose();
        NativeMemory.Free(_memory);
    }

    private nuint WriteControl(byte* memory, byte* local, ushort segment)
    {
        var control = new ControlWriter(memory);
        if (_isIPv6)
        {
            var source = (Libc.SockaddrIn6*)local;
            var address = new Span<byte>(source->Address, 16);
            if (address.ContainsAnyExcept((byte)0))
            {
                Libc.In6Pktinfo* info = control.Append<Libc.In6Pktinfo>(Libc.IPPROTO_IPV6, Libc.IPV6_PKTINFO);
                *info = default;
                address.CopyTo(new Span<byte>(info->Address, 16));
            }
        }
        else if (((Libc.SockaddrIn*)local)->Address != 0)
        {
            *control.Append<Libc.InPktinfo>(Libc.IPPROTO_IP, Libc.IP_PKTINFO) = new() { LocalAddress = ((Libc.SockaddrIn*)local)->Address };
        }
        if (segment != 0)
            *control.Append<ushort>(Libc.SOL_UDP, Libc.UDP_SEGMENT) = segment;
        return control.Length;
    }

    private bool SetQueue(int forced, int bounded)
    {
        if (TrySet(Libc.SOL_SOCKET, forced, QueueLength))
            return true;
        _ = TrySet(Libc.SOL_SOCKET, bounded, QueueLength);
        int value;
        uint length = sizeof(int);
        // The kernel doubles what it is asked for.
        return Libc.getsockopt(Number, Libc.SOL_SOCKET, bounded, &value, &length) >= 0 && value >= QueueLength;
    }

    private bool TrySet(int level, int option, int value) => Libc.setsockopt(Number, level, option, &value, sizeof(int)) >= 0;

    private void Set(int level, int option, int value) =>
        Descriptor.Check(TrySet(level, option, value) ? 0 : -1, "set option of", "UDP socket");
}
