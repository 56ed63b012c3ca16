using System.Buffers.Binary;

namespace Kedge.Protocol.Ip;

/// <summary>
/// Endpoints as frames between nodes have them, 19 bytes each: <c>kind(1) address(16) port(2)</c>, the port little-endian. Addresses are IPv6 or
/// IPv4-mapped.
/// </summary>
internal static class EndpointBytes
{
    /// <summary>Bytes of one endpoint.</summary>
    public const int Size = 1 + AddressSize + sizeof(ushort);

    private const int AddressSize = 16;
    private const int MappedPrefix = 12; // RFC 4291 section 2.5.5.2

    /// <summary>Writes one endpoint.</summary>
    /// <param name="endpoint">The endpoint; its scope is left out.</param>
    /// <param name="bytes">Receives <see cref="Size"/> bytes.</param>
    public static void Write(PeerEndpoint endpoint, Span<byte> bytes)
    {
        bytes[0] = (byte)endpoint.Kind;
        WriteAddress(endpoint.Address.Address, bytes[1..]);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[(1 + AddressSize)..], endpoint.Address.Port);
    }

    /// <summary>Reads one endpoint.</summary>
    /// <returns>False for a kind that does not exist, or no port.</returns>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out PeerEndpoint endpoint)
    {
        var kind = (PeerEndpointKind)bytes[0];
        ushort port = BinaryPrimitives.ReadUInt16LittleEndian(bytes[(1 + AddressSize)..]);
        endpoint = new PeerEndpoint(new Endpoint(ReadAddress(bytes[1..]), port), kind);
        return kind <= PeerEndpointKind.Stream && port != 0;
    }

    /// <summary>Writes an address.</summary>
    /// <param name="address">The address.</param>
    /// <param name="bytes">Receives 16 bytes.</param>
    public static void WriteAddress(IpAddress address, Span<byte> bytes)
    {
        bytes[..AddressSize].Clear();
        if (address.IsIPv4)
            bytes[MappedPrefix - 2] = bytes[MappedPrefix - 1] = 0xFF;
        address.CopyTo(bytes[(address.IsIPv4 ? MappedPrefix : 0)..]);
    }

    /// <summary>Reads an address of 16 bytes.</summary>
    public static IpAddress ReadAddress(ReadOnlySpan<byte> bytes) => IpAddress.FromBytes(bytes[..AddressSize]).Unmapped();
}
