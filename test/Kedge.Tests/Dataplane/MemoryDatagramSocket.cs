using Kedge.Linux;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.Dataplane;

/// <summary>The in-memory twin of a socket of a UDP port: what it sends arrives at the socket that it is connected to.</summary>
/// <param name="address">Where this socket is; none while its port is closed.</param>
/// <param name="receivesRuns">Whether a run arrives as one; else it arrives as its datagrams.</param>
internal sealed class MemoryDatagramSocket(Endpoint address = default, bool receivesRuns = false) : IDatagramSocket, IDisposable
{
    private readonly PacketRing _received = new(256);
    private readonly Lock _lock = new();
    private Endpoint _address = address;

    /// <summary>The other end of the wire.</summary>
    public MemoryDatagramSocket? Peer { get; set; }

    /// <summary>Where this socket is; none while its port is closed: then it neither sends nor receives.</summary>
    public Endpoint Address
    {
        get
        {
            lock (_lock)
                return _address;
        }

        set
        {
            lock (_lock)
                _address = value;
        }
    }

    public int Receive(ReadOnlySpan<PacketBuffer> buffers) => _received.Take(buffers);

    public int Send(ReadOnlySpan<PacketBuffer> buffers)
    {
        int sent = 0;
        Endpoint own = Address, other = Peer?.Address ?? default;
        if (own.IsNone || other.IsNone)
            return 0;
        foreach (PacketBuffer buffer in buffers)
        {
            if (buffer.Destination != other)
                continue;
            (Endpoint source, Endpoint destination) = (buffer.Source, buffer.Destination);
            (buffer.Source, buffer.Destination) = (own, other);
            sent += Peer!.Add(buffer);
            (buffer.Source, buffer.Destination) = (source, destination);
        }
        return sent;
    }

    /// <summary>How many datagrams wait to be received.</summary>
    public int Pending => _received.Count;

    /// <summary>Bytes of the longest datagram that came.</summary>
    public int LongestReceived { get; private set; }

    public void WaitReadable() => _received.WaitReadable();

    public void Wake() => _received.Wake();

    public void Dispose() => _received.Dispose();

    /// <summary>Receives a datagram or a run, as the sender has it, and returns how many datagrams there was room for.</summary>
    private int Add(PacketBuffer buffer)
    {
        LongestReceived = Math.Max(LongestReceived, buffer.GsoSize == 0 ? buffer.Length : buffer.GsoSize);
        if (buffer.GsoSize == 0 || buffer.Length <= buffer.GsoSize)
            return _received.TryAdd(buffer, 0, buffer.Length, gsoSize: 0) ? 1 : 0;
        int datagrams = (buffer.Length + buffer.GsoSize - 1) / buffer.GsoSize;
        if (receivesRuns)
            return _received.TryAdd(buffer) ? datagrams : 0;
        int added = 0;
        for (int start = 0; start < buffer.Length; start += buffer.GsoSize)
            added += _received.TryAdd(buffer, start, Math.Min(buffer.GsoSize, buffer.Length - start), gsoSize: 0) ? 1 : 0;
        return added;
    }
}
