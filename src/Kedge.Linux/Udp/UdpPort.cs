using Kedge.Protocol.Ip;

namespace Kedge.Linux.Udp;

/// <summary>
/// One UDP port on every local address, IPv4 and IPv6, as the kernel has them, or on a single address. A machine that speaks only one of
/// the two families is fine. A new object is closed. <see cref="Open"/>, <see cref="Close"/>, <see cref="SetMark"/> and
/// <see cref="Losses"/> may be called by any thread while others use the <see cref="Sockets"/>; those go on with the new port by
/// themselves. The sockets belong to the network namespace of the thread that calls <see cref="Open"/>. Dispose it after the threads that
/// use it have ended.
/// <para>
/// Several sockets share the port (<c>SO_REUSEPORT</c>) for as many threads that receive: the kernel gives a datagram to the one that the
/// hash of its addresses and ports says, so what comes from one endpoint comes to one socket, in its order. The first one is bound alone
/// and shares the port only then: a port that any other program has is refused, also where that shares it. As long as the port is shared,
/// however, another process of the same user can join it, and would get a part of the datagrams. A single socket shares with nobody.
/// </para>
/// </summary>
public sealed class UdpPort : IDatagramPort, IDisposable
{
    /// <summary>How often a port is tried that turns out to be taken, where another attempt may go better.</summary>
    private const int Attempts = 64;

    /// <summary>Milliseconds until a port that this object may still hold is tried again.</summary>
    private const int AttemptPause = 2;

    private readonly Lock _changing = new();
    private readonly UdpCounters _counters = new();
    private readonly UdpSocketPair[] _sockets;
    private volatile ushort _port;
    private uint _mark;
    private bool _hasGivenUpPorts;

    /// <summary>Makes a closed port.</summary>
    /// <param name="withOffloads">
    /// Whether the kernel is to cut runs of datagrams that are sent, and to join datagrams that are received to runs, as far as it can; see
    /// <see cref="Offloads"/>. Runs can be sent without too.
    /// </param>
    /// <param name="sockets">How many sockets it has.</param>
    /// <param name="local">The only local address that it is on, with its scope where it needs one; none for all.</param>
    /// <exception cref="LinuxException">No descriptors are left.</exception>
    public UdpPort(bool withOffloads = false, int sockets = 1, Endpoint local = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sockets);
        _sockets = new UdpSocketPair[sockets];
        for (int i = 0; i < sockets; i++)
            _sockets[i] = new UdpSocketPair(local, withOffloads, _counters);
    }

    /// <inheritdoc/>
    public int Port => _port;

    /// <summary>The sockets; they are this object's, and the same for as long as it exists.</summary>
    public IReadOnlyList<IDatagramSocket> Sockets => _sockets;

    /// <summary>The sockets, for <see cref="Waiter"/>.</summary>
    internal IReadOnlyList<UdpSocketPair> Pairs => _sockets;

    /// <summary>Whether the port is open on IPv4.</summary>
    public bool HasIPv4 => _sockets[0].IPv4.IsOpen;

    /// <summary>Whether the port is open on IPv6.</summary>
    public bool HasIPv6 => _sockets[0].IPv6.IsOpen;

    /// <summary>What the kernel does with runs of datagrams, as the last <see cref="Open"/> found out.</summary>
    public UdpOffloads Offloads => _sockets[0].IPv4.Offloads | _sockets[0].IPv6.Offloads;

    /// <summary>What was lost so far, by reason.</summary>
    public UdpLosses Losses
    {
        get
        {
            lock (_changing)
            {
                long kernelDrops = 0;
                foreach (UdpSocketPair socket in _sockets)
                    kernelDrops += socket.IPv4.KernelDrops() + socket.IPv6.KernelDrops();
                return _counters.Read(kernelDrops);
            }
        }
    }

    /// <inheritdoc/>
    public void Open(ushort port, uint mark = 0)
    {
        lock (_changing)
        {
            if (port != 0 && port == _port)
            {
                SetMark(mark);
                return;
            }
            Replace(Bind(ref port, mark), port);
            _mark = mark;
        }
    }

    /// <inheritdoc/>
    public void Probe(ushort port)
    {
        lock (_changing)
        {
            foreach (BoundPair pair in port == _port ? [] : Bind(ref port, mark: 0))
                pair.Dispose();
        }
    }

    /// <inheritdoc/>
    public void Close()
    {
        lock (_changing)
            Replace(new BoundPair[_sockets.Length], port: 0);
    }

    /// <inheritdoc/>
    public void SetMark(uint mark)
    {
        lock (_changing)
        {
            if (_port == 0 || mark == _mark)
                return;
            foreach (UdpSocketPair socket in _sockets)
                socket.SetMark(mark);
            _mark = mark;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close();
        foreach (UdpSocketPair socket in _sockets)
            socket.Dispose();
    }

    private void Replace(BoundPair[] bound, ushort port)
    {
        for (int i = 0; i < _sockets.Length; i++)
            _sockets[i].Replace(bound[i], port);
        _hasGivenUpPorts |= _port != 0;
        _port = port;
    }

    private BoundPair[] Bind(ref ushort port, uint mark)
    {
        for (int attempt = 1; ; attempt++)
        {
            ushort candidate = port;
            try
            {
                BoundPair[] bound = BindAll(ref candidate, mark);
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

    private BoundPair[] BindAll(ref ushort port, uint mark)
    {
        var bound = new BoundPair[_sockets.Length];
        try
        {
            for (int i = 0; i < _sockets.Length; i++)
            {
                bound[i] = _sockets[i].Bind(ref port, mark, sharesPort: i > 0);
                if (i == 0 && _sockets.Length > 1)
                    bound[i].SharePort();
            }
            return bound;
        }
        catch (LinuxException)
        {
            foreach (BoundPair pair in bound)
                pair.Dispose();
            throw;
        }
    }
}
