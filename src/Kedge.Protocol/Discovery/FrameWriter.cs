using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Discovery;

/// <summary>Puts bytes together, integers little-endian. Its user looks at <see cref="Room"/> first where a list may be too long.</summary>
/// <param name="capacity">The most bytes.</param>
internal sealed class FrameWriter(int capacity = DiscoveryFrame.MaximumSize)
{
    private readonly byte[] _bytes = new byte[capacity];
    private int _length;

    /// <summary>How many bytes there is room for.</summary>
    public int Room => _bytes.Length - _length;

    /// <summary>What has been written.</summary>
    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, _length);

    /// <summary>Begins a frame.</summary>
    public static FrameWriter Begin(DiscoveryFrameKind kind, uint id)
    {
        var writer = new FrameWriter();
        writer.AddByte(DiscoveryFrame.Type);
        writer.AddByte((byte)kind);
        writer.AddUInt16(0);
        writer.AddUInt32(id);
        return writer;
    }

    /// <summary>The frame's bytes.</summary>
    public byte[] ToFrame()
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_bytes.AsSpan(2), (ushort)_length);
        return Written.ToArray();
    }

    /// <summary>Adds a byte.</summary>
    public void AddByte(byte value) => Take(1)[0] = value;

    /// <summary>Adds 2 bytes.</summary>
    public void AddUInt16(int value) => BinaryPrimitives.WriteUInt16LittleEndian(Take(sizeof(ushort)), (ushort)value);

    /// <summary>Adds 4 bytes.</summary>
    public void AddUInt32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Take(sizeof(uint)), value);

    /// <summary>Adds 8 bytes.</summary>
    public void AddUInt64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Take(sizeof(ulong)), value);

    /// <summary>Adds bytes as they are.</summary>
    public void AddBytes(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Take(bytes.Length));

    /// <summary>Adds bytes behind their number, which takes 2 bytes.</summary>
    public void AddCounted(ReadOnlySpan<byte> bytes)
    {
        AddUInt16(bytes.Length);
        AddBytes(bytes);
    }

    /// <summary>Adds bytes behind their number if there is room for them, and otherwise none.</summary>
    public void AddCountedIfRoom(ReadOnlySpan<byte> bytes) => AddCounted(bytes.Length + sizeof(ushort) <= Room ? bytes : []);

    /// <summary>Adds an address, 16 bytes.</summary>
    public void AddAddress(IpAddress address) => EndpointBytes.WriteAddress(address, Take(16));

    /// <summary>Adds endpoints behind their number, which takes 1 byte.</summary>
    public void AddEndpoints(IReadOnlyList<PeerEndpoint> endpoints)
    {
        AddByte((byte)endpoints.Count);
        foreach (PeerEndpoint endpoint in endpoints)
            EndpointBytes.Write(endpoint, Take(EndpointBytes.Size));
    }

    private Span<byte> Take(int count)
    {
        Span<byte> taken = _bytes.AsSpan(_length, count);
        _length += count;
        return taken;
    }
}
