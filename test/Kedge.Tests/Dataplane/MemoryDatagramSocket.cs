using Kedge.Linux;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.Dataplane;

/// <summary>The in-memory twin of a UDP port: what it sends arrives at the socket that it is connected to.</summary>
internal sealed class MemoryDatagramSocket(Endpoint address) : IDatagramSocket
{
    private readonly PacketRing _received = new(256);
    private bool _isOpen;

    /// <summary>The other end of the wire.</summary>
    public MemoryDatagramSocket? Peer { get; set; }

    /// <summary>Where this socket is.</summary>
    public Endpoint Address => address;

    public int Port => _isOpen ? address.Port : 0;

    public void Open(ushort port, uint mark) => _isOpen = true;

    public void Close() => _isOpen = false;

    public void SetMark(uint mark)
    {
    }

    public int Receive(ReadOnlySpan<PacketBuffer> buffers) => _isOpen ? _received.Take(buffers) : 0;

    public int Send(ReadOnlySpan<PacketBuffer> buffers)
    {
        int sent = 0;
        foreach (PacketBuffer buffer in buffers)
        {
            if (Peer is null || !_isOpen || buffer.Destination != Peer.Address)
                continue;
            (Endpoint source, Endpoint destination) = (buffer.Source, buffer.Destination);
            (buffer.Source, buffer.Destination) = (address, Peer.Address);
            sent += Peer._received.TryAdd(buffer) ? 1 : 0;
            (buffer.Source, buffer.Destination) = (source, destination);
        }
        return sent;
    }

    /// <summary>How many datagrams wait to be received.</summary>
    public int Pending => _received.Count;

    public void WaitReadable() => _received.WaitReadable();

    public void Wake() => _received.Wake();

    public void Dispose() => _received.Dispose();
}
