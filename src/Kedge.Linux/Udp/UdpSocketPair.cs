using Kedge.Linux.Interop;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Udp;

/// <summary>
/// A socket of each family, as far as the kernel has them, that one thread receives from: one of those that a <see cref="UdpPort"/> has.
/// The port binds, replaces and closes them, one thread at a time; other threads send, receive and wait meanwhile.
/// </summary>
internal sealed class UdpSocketPair : IDatagramSocket, IDisposable
{
    private readonly Epoll _epoll = new();
    private volatile ushort _port;
    private bool _ipv6First;

    /// <summary>A closed pair.</summary>
    /// <param name="local">The local address to be bound to; none for all of both families.</param>
    /// <param name="withOffloads">Whether to have the kernel cut what is sent and join what is received, where it can.</param>
    /// <param name="counters">Where losses are counted.</param>
    public UdpSocketPair(Endpoint local, bool withOffloads, UdpCounters counters)
    {
        IPv4 = new UdpSocket(ipv6: false, local, withOffloads, _epoll, counters);
        IPv6 = new UdpSocket(ipv6: true, local, withOffloads, _epoll, counters);
    }

    /// <summary>The one half.</summary>
    public UdpSocket IPv4 { get; }

    /// <summary>The other half.</summary>
    public UdpSocket IPv6 { get; }

    /// <summary>What to wait on, for reading; the same for as long as this object exists.</summary>
    public int Number => _epoll.Number;

    /// <summary>New sockets bound to a port, which nobody knows yet.</summary>
    /// <param name="port">The port; 0 for one that is free in both families, which is put here.</param>
    /// <param name="mark">The firewall mark of what is sent; 0 for none.</param>
    /// <param name="sharesPort">Whether others may have the port already, see <see cref="UdpSocket.SharePort"/>.</param>
    /// <exception cref="LinuxException">The port cannot be had.</exception>
    public BoundPair Bind(ref ushort port, uint mark, bool sharesPort)
    {
        Descriptor? ipv4 = IPv4.Bind(ref port, mark, sharesPort);
        try
        {
            Descriptor? ipv6 = IPv6.Bind(ref port, mark, sharesPort);
            if (ipv4 is null && ipv6 is null)
                throw new LinuxException(Errno.EAFNOSUPPORT, "open", "a UDP port: this machine speaks neither IPv4 nor IPv6");
            return new BoundPair(ipv4, ipv6);
        }
        catch (LinuxException)
        {
            ipv4?.Dispose();
            throw;
        }
    }

    /// <summary>Replaces the sockets. When this returns, the old ones are closed.</summary>
    /// <param name="bound">The new ones, from now on owned by this object; the default for none.</param>
    /// <param name="port">Their port; 0 for none.</param>
    public void Replace(BoundPair bound, ushort port)
    {
        IPv4.Replace(bound.IPv4);
        IPv6.Replace(bound.IPv6);
        _port = port;
    }

    /// <summary>Sets the firewall mark of what is sent from now on. Not while the sockets are being replaced.</summary>
    public void SetMark(uint mark)
    {
        IPv4.SetMark(mark);
        IPv6.SetMark(mark);
    }

    /// <inheritdoc/>
    public int Receive(ReadOnlySpan<PacketBuffer> buffers)
    {
        // Either family may fill all buffers, so they take turns.
        _ipv6First = !_ipv6First;
        (UdpSocket first, UdpSocket second) = _ipv6First ? (IPv6, IPv4) : (IPv4, IPv6);
        int received = first.Receive(buffers, _port);
        return received < buffers.Length ? received + second.Receive(buffers[received..], _port) : received;
    }

    /// <inheritdoc/>
    public int Send(ReadOnlySpan<PacketBuffer> buffers)
    {
        int sent = 0;
        for (; !buffers.IsEmpty; buffers = buffers[Math.Min(UdpSocket.BatchLength, buffers.Length)..])
        {
            ReadOnlySpan<PacketBuffer> batch = buffers[..Math.Min(UdpSocket.BatchLength, buffers.Length)];
            sent += IPv4.Send(batch) + IPv6.Send(batch);
        }
        return sent;
    }

    /// <inheritdoc/>
    public void WaitReadable() => _epoll.Wait();

    /// <inheritdoc/>
    public void Wake() => _epoll.Wake();

    /// <summary>To be called once the sockets are closed and no thread uses them.</summary>
    public void Dispose() => _epoll.Dispose();
}

/// <summary>
/// Sockets of a <see cref="UdpSocketPair"/> that are bound but not in use yet. Whoever has them disposes them or hands them over.
/// </summary>
internal readonly record struct BoundPair(Descriptor? IPv4, Descriptor? IPv6) : IDisposable
{
    /// <summary>Lets further sockets have the port, see <see cref="UdpSocket.SharePort"/>.</summary>
    public void SharePort()
    {
        UdpSocket.SharePort(IPv4);
        UdpSocket.SharePort(IPv6);
    }

    public void Dispose()
    {
        IPv4?.Dispose();
        IPv6?.Dispose();
    }
}
