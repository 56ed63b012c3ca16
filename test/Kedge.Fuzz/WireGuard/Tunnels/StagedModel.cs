namespace Kedge.Fuzz.WireGuard.Tunnels;

/// <summary>The packets of a peer that must be waiting for a session: at most 128, and 256 KiB.</summary>
internal sealed class StagedModel
{
    private const int MaximumPackets = 128;
    private const int MaximumBytes = 256 * 1024;

    private readonly Queue<byte[]> _packets = [];
    private int _bytes;

    public int Count => _packets.Count;

    /// <summary>Adds a packet, and says how many must have been dropped for it.</summary>
    public int Add(byte[] packet)
    {
        int dropped = 0;
        for (; _packets.Count == MaximumPackets || _bytes + packet.Length > MaximumBytes; dropped++)
            Take();
        _packets.Enqueue(packet);
        _bytes += packet.Length;
        return dropped;
    }

    public byte[] Take()
    {
        byte[] packet = _packets.Dequeue();
        _bytes -= packet.Length;
        return packet;
    }

    public void Clear()
    {
        _packets.Clear();
        _bytes = 0;
    }
}
