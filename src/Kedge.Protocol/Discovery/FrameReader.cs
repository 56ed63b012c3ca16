using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// Reads bytes from others. What is not there reads as zeros and makes <see cref="IsValid"/> false for good, so that it is looked at once, at
/// the end.
/// </summary>
/// <param name="bytes">The bytes.</param>
internal ref struct FrameReader(ReadOnlySpan<byte> bytes)
{
    private static readonly byte[] Zeros = new byte[DiscoveryFrame.MaximumSize];

    private ReadOnlySpan<byte> _rest = bytes;
    private bool _isShort;

    /// <summary>Whether all that was read was there.</summary>
    public readonly bool IsValid => !_isShort;

    /// <summary>Whether nothing is left.</summary>
    public readonly bool IsEmpty => _rest.IsEmpty;

    /// <summary>What is left.</summary>
    public readonly ReadOnlySpan<byte> Rest => _rest;

    /// <summary>The next byte.</summary>
    public byte Byte() => Bytes(1)[0];

    /// <summary>The next 2 bytes.</summary>
    public int UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(sizeof(ushort)));

    /// <summary>The next 4 bytes.</summary>
    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(sizeof(uint)));

    /// <summary>The next 8 bytes.</summary>
    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(sizeof(ulong)));

    /// <summary>The next bytes; at most <see cref="DiscoveryFrame.MaximumSize"/> are asked for.</summary>
    public ReadOnlySpan<byte> Bytes(int count)
    {
        if (count > _rest.Length)
        {
            _isShort = true;
            _rest = default;
            return Zeros.AsSpan(0, Math.Min(count, Zeros.Length));
        }
        ReadOnlySpan<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }

    /// <summary>The bytes behind their number.</summary>
    public ReadOnlySpan<byte> Counted()
    {
        int count = UInt16();
        ReadOnlySpan<byte> taken = Bytes(count);
        return IsValid ? taken : default;
    }

    /// <summary>The next 16 bytes as an address.</summary>
    public IpAddress Address() => EndpointBytes.ReadAddress(Bytes(16));

    /// <summary>Endpoints behind their number. Those that cannot be are left out.</summary>
    /// <param name="maximum">How many there may be.</param>
    public IReadOnlyList<PeerEndpoint> Endpoints(int maximum)
    {
        int count = Byte();
        if (count > maximum)
        {
            _isShort = true;
            return [];
        }
        List<PeerEndpoint> endpoints = [];
        for (int i = 0; i < count; i++)
        {
            if (EndpointBytes.TryRead(Bytes(EndpointBytes.Size), out PeerEndpoint endpoint) && endpoint.Kind.IsTold())
                endpoints.Add(endpoint);
        }
        return endpoints;
    }
}
