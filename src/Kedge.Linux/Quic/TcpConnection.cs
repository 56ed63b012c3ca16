using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Quic;

/// <summary>
/// A TCP socket of an <see cref="EventLoop"/>, to be joined to a <see cref="QuicStream"/>, which then owns it. Registered once and
/// edge-triggered: what it may do is remembered until the kernel says that it may not.
/// </summary>
public sealed unsafe class TcpConnection : EventSource
{
    /// <summary>The result of a call that found nothing to do now.</summary>
    internal const int Nothing = -1;

    /// <summary>The result of a call that found the connection broken.</summary>
    internal const int Failed = -2;

    private readonly EventLoop _loop;
    private readonly Descriptor _descriptor;
    private Action<TcpConnection, int>? _onConnected;
    private bool _sawEnd; // the peer has sent its last byte: then a short read does not mean that there is nothing more to read
    private bool _isClosed;

    private TcpConnection(EventLoop loop, Descriptor descriptor, Endpoint remote, Action<TcpConnection, int>? onConnected)
    {
        (_loop, _descriptor, Remote, _onConnected) = (loop, descriptor, remote, onConnected);
        int one = 1;
        _ = Libc.setsockopt(Number, Libc.SOL_TCP, Libc.TCP_NODELAY, &one, sizeof(int));
    }

    /// <summary>The other end.</summary>
    public Endpoint Remote { get; }

    internal override int Number => _descriptor.Number;

    internal QuicStream? Stream { get; set; }

    internal bool MayRead { get; private set; }

    internal bool MayWrite { get; private set; }

    internal bool HasFailed { get; private set; }

    /// <summary>Connects to a host.</summary>
    /// <param name="loop">Whose thread calls, and is told.</param>
    /// <param name="remote">The address and port.</param>
    /// <param name="onConnected">Told once how it went: 0, or an error number; then the connection is closed already.</param>
    /// <returns>The attempt, which its disposal gives up without telling.</returns>
    public static TcpConnection Connect(EventLoop loop, Endpoint remote, Action<TcpConnection, int> onConnected)
    {
        ArgumentNullException.ThrowIfNull(loop);
        ArgumentNullException.ThrowIfNull(onConnected);
        int family = remote.Address.IsIPv6 ? Libc.AF_INET6 : Libc.AF_INET;
        int number = Libc.socket(family, Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0);
        int error = number < 0 ? Marshal.GetLastPInvokeError() : 0;
        var connection = new TcpConnection(loop, new Descriptor(number), remote, onConnected);
        if (error == 0)
        {
            Libc.SockaddrIn6 address;
            uint length = SocketAddress.Write(remote, (byte*)&address);
            error = Libc.connect(number, &address, length) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }
        if (error is 0 or Errno.EINPROGRESS)
        {
            loop.Add(connection, Libc.EPOLLIN | Libc.EPOLLOUT | Libc.EPOLLRDHUP);
            return connection;
        }
        connection.FinishConnecting(error);
        return connection;
    }

    /// <summary>Gives a connection attempt up, or closes: at once, and with a reset if it was connected.</summary>
    public void Reset()
    {
        if (_isClosed)
            return;
        var linger = new Libc.Linger { OnOff = 1 };
        _ = Libc.setsockopt(Number, Libc.SOL_SOCKET, Libc.SO_LINGER, &linger, (uint)sizeof(Libc.Linger));
        Dispose();
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_isClosed)
            return;
        _isClosed = true;
        (MayRead, MayWrite) = (false, false);
        _onConnected = null;
        _loop.Remove(this);
        _descriptor.Dispose();
    }

    internal static TcpConnection Accepted(EventLoop loop, int number, Endpoint remote)
    {
        var connection = new TcpConnection(loop, new Descriptor(number), remote, null) { MayWrite = true, MayRead = true };
        loop.Add(connection, Libc.EPOLLIN | Libc.EPOLLOUT | Libc.EPOLLRDHUP);
        return connection;
    }

    /// <summary>Reads.</summary>
    /// <returns>How many bytes; 0 at the end; <see cref="Nothing"/> or <see cref="Failed"/>.</returns>
    internal int Read(Span<byte> room)
    {
        fixed (byte* start = room)
        {
            nint count = Libc.recvfrom(Number, start, (nuint)room.Length, Libc.MSG_DONTWAIT, null, null);
            if (count < 0)
            {
                int error = Marshal.GetLastPInvokeError();
                if (error == Errno.EINTR)
                    return Nothing;
                MayRead = false;
                return error == Errno.EAGAIN ? Nothing : Failed;
            }
            if (count == 0 || (count < room.Length && !_sawEnd))
                MayRead = false;
            return (int)count;
        }
    }

    /// <summary>Writes.</summary>
    /// <returns>How many bytes; <see cref="Nothing"/> or <see cref="Failed"/>.</returns>
    internal long Write(Libc.Iovec* vectors, int count)
    {
        var message = new Libc.Msghdr { Iov = vectors, IovLength = (nuint)count };
        nint written = Libc.sendmsg(Number, &message, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
        if (written >= 0)
            return written;
        int error = Marshal.GetLastPInvokeError();
        if (error == Errno.EINTR)
            return Nothing;
        MayWrite = false;
        return error == Errno.EAGAIN ? Nothing : Failed;
    }

    internal void ShutDownWriting() => _ = Libc.shutdown(Number, Libc.SHUT_WR);

    internal override void OnEvents(uint events)
    {
        if (_onConnected is not null)
        {
            int error = 0;
            uint length = sizeof(int);
            _ = Libc.getsockopt(Number, Libc.SOL_SOCKET, Libc.SO_ERROR, &error, &length);
            if (error == 0 && (events & Libc.EPOLLOUT) == 0)
                return;
            FinishConnecting(error);
            if (error != 0)
                return;
        }
        if ((events & Libc.EPOLLERR) != 0)
            HasFailed = true;
        if ((events & Libc.EPOLLRDHUP) != 0)
            _sawEnd = true;
        if ((events & (Libc.EPOLLIN | Libc.EPOLLRDHUP | Libc.EPOLLHUP)) != 0)
            MayRead = true;
        if ((events & Libc.EPOLLOUT) != 0)
            MayWrite = true;
        Stream?.OnSocketEvents();
    }

    private void FinishConnecting(int error)
    {
        Action<TcpConnection, int> tell = _onConnected!;
        _onConnected = null;
        if (error != 0)
            Dispose();
        else
            MayWrite = true;
        tell(this, error);
    }
}
