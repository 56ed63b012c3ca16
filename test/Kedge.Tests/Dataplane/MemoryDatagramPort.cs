using Kedge.Linux;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.Dataplane;

/// <summary>The in-memory twin of a UDP port with one socket.</summary>
/// <param name="host">The address that its datagrams come from.</param>
internal sealed class MemoryDatagramPort(IpAddress host) : IDatagramPort, IDisposable
{
    private const ushort FirstRandomPort = 40000;

    private readonly Lock _lock = new();
    private readonly HashSet<ushort> _taken = [];

    public MemoryDatagramSocket Socket { get; } = new();

    public IReadOnlyList<IDatagramSocket> Sockets => [Socket];

    public int Port => Socket.Address.Port;

    /// <summary>The mark that was set last.</summary>
    public uint Mark { get; private set; }

    /// <summary>Has another program of this host take a port.</summary>
    public void Take(ushort port)
    {
        lock (_lock)
            _taken.Add(port);
    }

    /// <summary>Has the other program give the port up.</summary>
    public void GiveUp(ushort port)
    {
        lock (_lock)
            _taken.Remove(port);
    }

    public void Open(ushort port, uint mark = 0)
    {
        lock (_lock)
        {
            ThrowIfTaken(port);
            for (ushort random = FirstRandomPort; port == 0; random++)
                port = _taken.Contains(random) ? port : random;
            Socket.Address = new Endpoint(host, port);
            Mark = mark;
        }
    }

    public void Probe(ushort port)
    {
        lock (_lock)
            ThrowIfTaken(port);
    }

    public void Close() => Socket.Address = default;

    public void SetMark(uint mark) => Mark = mark;

    public void Dispose() => Socket.Dispose();

    private void ThrowIfTaken(ushort port)
    {
        if (_taken.Contains(port))
            throw new LinuxException(Errno.EADDRINUSE, "bind", $"port {port}");
    }
}
