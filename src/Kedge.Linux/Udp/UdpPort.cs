using Kedge.Linux.Interop;

namespace Kedge.Linux.Udp;

/// <summary>
/// One UDP port on every local address, IPv4 and IPv6, as the kernel has them: a machine that speaks only one of the two is fine. A new
/// object is closed. <see cref="Open"/>, <see cref="Close"/>, <see cref="SetMark"/> and <see cref="Losses"/> may be called by any thread
/// while others send, receive and wait; those go on with the new port by themselves. The sockets belong to the network namespace of the
/// thread that calls <see cref="Open"/>. Dispose it after the threads that use it have ended.
/// </summary>
public sealed class UdpPort : IDatagramSocket
{
    /// <summary>How often a port is tried that turns out to be taken, where another attempt may go better.</summary>
    private const int Attempts = 64;

    /// <summary>Milliseconds until a port that this object may still hold is tried again.</summary>
    private const int AttemptPause = 2;

    private readonly Lock _changing = new();
    private readonly UdpCounters _counters = new();
    private readonly UdpSocket _ipv4;
    private readonly UdpSocket _ipv6;
    private readonly Epoll _epoll = new();
    private volatile ushort _port;
    private uint _mark;
    private bool _hasGivenUpPorts;
    private bool _ipv6First;

    /// <summary>Makes a closed port.</summary>
    /// <param name="withOffloads">
    /// Whether the kernel is to cut runs of datagrams that are sent, and to join datagrams that are received to runs, as far as it can; see
    /// <see cref="Offloads"/>. Runs can be sent without too.
    /// </param>
    /// <exception cref="LinuxException">No descriptors are left.</exception>
    public UdpPort(bool withOffloads = false)
    {
        _ipv4 = new UdpSocket(ipv6: false, withOffloads, _epoll, _counters);
        _ipv6 = new UdpSocket(ipv6: true, withOffloads, _epoll, _counters);
    }

    /// <inheritdoc/>
    public int Port => _port;

    /// <summary>Whether the port is open on IPv4.</summary>
    public bool HasIPv4 => _ipv4.IsOpen;

    /// <summary>Whether the port is open on IPv6.</summary>
    public bool HasIPv6 => _ipv6.IsOpen;

    /// <summary>What the kernel does with runs of datagrams, as the last <see cref="Open"/> found out.</summary>
    public UdpOffloads Offloads => _ipv4.Offloads | _ipv6.Offloads;

    /// <summary>What was lost so far, by reason.</summary>
    public UdpLosses Losses
    {
        get
        {
            lock (_changing)
                return _counters.Read(_ipv4.KernelDrops() + _ipv6.KernelDrops());
        }
    }

    /// <inheritdoc/>
    /// <exception cref="LinuxException">
    /// EADDRINUSE: the port is taken. EACCES: it is a privileged one. EAFNOSUPPORT: this machine speaks neither family.
    /// </exception>
    public void Open(ushort port, uint mark = 0)
    {
        lock (_changing)
        {
            if (port != 0 && port == _port)
            {
                SetMark(mark);
                return;
            }
            (Descriptor? ipv4, Descriptor? ipv6) = Bind(ref port, mark);
            _ipv4.Replace(ipv4);
            _ipv6.Replace(ipv6);
            _hasGivenUpPorts |= _port != 0;
            _port = port;
            _mark = mark;
        }
    }

    /// <inheritdoc/>
    public void Close()
    {
        lock (_changing)
        {
            _ipv4.Replace(null);
            _ipv6.Replace(null);
            _hasGivenUpPorts |= _port != 0;
            _port = 0;
        }
    }

    /// <inheritdoc/>
    public void SetMark(uint mark)
    {
        lock (_changing)
        {
            if (_port == 0 || mark == _mark)
                return;
            _ipv4.SetMark(mark);
            _ipv6.SetMark(mark);
            _mark = mark;
        }
    }

    /// <inheritdoc/>
    public int Receive(ReadOnlySpan<PacketBuffer> buffers)
    {
        // Either family may fill all buffers, so they take turns.
        _ipv6First = !_ipv6First;
        (UdpSocket first, UdpSocket second) = _ipv6First ? (_ipv6, _ipv4) : (_ipv4, _ipv6);
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
            sent += _ipv4.Send(batch) + _ipv6.Send(batch);
        }
        return sent;
    }

    /// <inheritdoc/>
    public void WaitReadable() => _epoll.Wait();

    /// <inheritdoc/>
    public void Wake() => _epoll.Wake();

    /// <inheritdoc/>
    public void Dispose()
    {
        Close();
        _epoll.Dispose();
    }

    private (Descriptor? IPv4, Descriptor? IPv6) Bind(ref ushort port, uint mark)
    {
        for (int attempt = 1; ; attempt++)
        {
            ushort candidate = port;
            try
            {
                (Descriptor?, Descriptor?) bound = BindBoth(ref candidate, mark);
                port = candidate;
                return bound;
            }
            catch (LinuxException e) when (e.Errno == Errno.EADDRINUSE && attempt < Attempts && (port == 0 || _hasGivenUpPorts))
            {
                // A free port was free on IPv4 alone: the next one may be free on both. One that was given up just now
                // may be held by a copy of its descriptor for a moment, in a process that is being started.
                if (port != 0)
                    Thread.Sleep(AttemptPause);
            }
        }
    }

    private (Descriptor? IPv4, Descriptor? IPv6) BindBoth(ref ushort port, uint mark)
    {
        Descriptor? ipv4 = _ipv4.Bind(ref port, mark);
        try
        {
            Descriptor? ipv6 = _ipv6.Bind(ref port, mark);
            if (ipv4 is null && ipv6 is null)
                throw new LinuxException(Errno.EAFNOSUPPORT, "open", "a UDP port: this machine speaks neither IPv4 nor IPv6");
            return (ipv4, ipv6);
        }
        catch (LinuxException)
        {
            ipv4?.Dispose();
            throw;
        }
    }
}
