using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Quic;

/// <summary>A TCP port of an <see cref="EventLoop"/> that takes connections.</summary>
public sealed unsafe class TcpAcceptor : EventSource
{
    private const int Backlog = 4096;
    private const int MostAtOnce = 256;

    /// <summary>How long nobody is let in when descriptors or memory have run out; the port stays open.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly EventLoop _loop;
    private readonly Descriptor _descriptor;
    private readonly Action<TcpConnection> _onAccepted;
    private bool _isClosed;

    /// <summary>Opens a port.</summary>
    /// <param name="loop">Whose thread calls, and is told.</param>
    /// <param name="local">The address and port; 0 for any port.</param>
    /// <param name="onAccepted">Told each connection, which it owns.</param>
    /// <exception cref="LinuxException">The port cannot be had.</exception>
    public TcpAcceptor(EventLoop loop, Endpoint local, Action<TcpConnection> onAccepted)
    {
        ArgumentNullException.ThrowIfNull(loop);
        (_loop, _onAccepted) = (loop, onAccepted);
        int family = local.Address.IsIPv6 ? Libc.AF_INET6 : Libc.AF_INET;
        _descriptor = Descriptor.From(
            Libc.socket(family, Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0), "open", "TCP socket");
        try
        {
            int one = 1;
            _ = Libc.setsockopt(Number, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, &one, sizeof(int));
            if (local.Address.IsIPv6)
                _ = Libc.setsockopt(Number, Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY, &one, sizeof(int));
            Libc.SockaddrIn6 address;
            uint length = SocketAddress.Write(local, (byte*)&address);
            _ = Descriptor.Check(Libc.bind(Number, &address, length), "bind", $"TCP port {local}");
            _ = Descriptor.Check(Libc.listen(Number, Backlog), "listen on", $"TCP port {local}");
            length = (uint)sizeof(Libc.SockaddrIn6);
            _ = Descriptor.Check(Libc.getsockname(Number, &address, &length), "look up", "TCP port");
            Local = SocketAddress.Read((byte*)&address);
            loop.Add(this, Libc.EPOLLIN);
        }
        catch
        {
            _descriptor.Dispose();
            throw;
        }
    }

    /// <summary>The address and port.</summary>
    public Endpoint Local { get; }

    internal override int Number => _descriptor.Number;

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_isClosed)
            return;
        _isClosed = true;
        _loop.Remove(this);
        _descriptor.Dispose();
    }

    internal override void OnEvents(uint events)
    {
        for (int i = 0; i < MostAtOnce && !_isClosed; i++)
        {
            Libc.SockaddrIn6 address;
            uint length = (uint)sizeof(Libc.SockaddrIn6);
            int number = Libc.accept4(Number, &address, &length, Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC);
            if (number >= 0)
            {
                _onAccepted(TcpConnection.Accepted(_loop, number, SocketAddress.Read((byte*)&address)));
                continue;
            }
            switch (Marshal.GetLastPInvokeError())
            {
                case Errno.EAGAIN:
                    return;
                case Errno.EMFILE or Errno.ENFILE or Errno.ENOBUFS or Errno.ENOMEM:
                    _loop.After(Pause, () => OnEvents(Libc.EPOLLIN));
                    return;
                default:
                    continue; // that one is gone already
            }
        }
        _loop.After(TimeSpan.Zero, () => OnEvents(Libc.EPOLLIN)); // others get their turn first
    }
}
