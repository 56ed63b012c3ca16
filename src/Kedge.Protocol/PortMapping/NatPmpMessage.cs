using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.PortMapping;

/// <summary>Messages of the NAT Port Mapping Protocol (RFC 6886, section 3), for UDP.</summary>
internal static class NatPmpMessage
{
    /// <summary>Bytes of a mapping request.</summary>
    public const int MapRequestSize = 12;

    /// <summary>Bytes of a request for the external address.</summary>
    public const int AddressRequestSize = 2;

    private const int AddressResponseSize = 12, MapResponseSize = 16;
    private const byte Version = 0;
    private const byte AddressRequest = 0, MapUdpRequest = 1;
    private const byte Response = 0x80;

    /// <summary>Writes a request for the gateway's external address (section 3.2).</summary>
    /// <returns><see cref="AddressRequestSize"/>.</returns>
    public static int WriteAddressRequest(Span<byte> request)
    {
        (request[0], request[1]) = (Version, AddressRequest);
        return AddressRequestSize;
    }

    /// <summary>Writes a request for a mapping (section 3.3).</summary>
    /// <param name="request"><see cref="MapRequestSize"/> bytes or more.</param>
    /// <param name="internalPort">The port that is to be reached.</param>
    /// <param name="suggestedPort">The external port that is wished for.</param>
    /// <param name="lifetime">Seconds; 0 deletes the mapping.</param>
    /// <returns><see cref="MapRequestSize"/>.</returns>
    public static int WriteMapRequest(Span<byte> request, ushort internalPort, ushort suggestedPort, uint lifetime)
    {
        (request[0], request[1], request[2], request[3]) = (Version, MapUdpRequest, 0, 0);
        BinaryPrimitives.WriteUInt16BigEndian(request[4..], internalPort);
        BinaryPrimitives.WriteUInt16BigEndian(request[6..], lifetime == 0 ? (ushort)0 : suggestedPort); // section 3.4
        BinaryPrimitives.WriteUInt32BigEndian(request[8..], lifetime);
        return MapRequestSize;
    }

    /// <summary>Reads a response that tells the external address, or that there is none.</summary>
    public static bool TryParseAddress(ReadOnlySpan<byte> datagram, out IpAddress address, out PortMappingError error)
    {
        address = default;
        if (!TryParseHeader(datagram, AddressRequest, AddressResponseSize, out error))
            return false;
        if (error == PortMappingError.None)
            address = IpAddress.FromBytes(datagram[8..12]);
        return true;
    }

    /// <summary>Reads a response to a request for a mapping. The endpoint has no address: that is told apart.</summary>
    public static bool TryParseMapping(ReadOnlySpan<byte> datagram, ushort internalPort, out PortMappingResponse response)
    {
        response = default;
        if (!TryParseHeader(datagram, MapUdpRequest, MapResponseSize, out PortMappingError error))
            return false;
        if (error != PortMappingError.None)
        {
            response = new(default, error, TimeSpan.Zero);
            return true;
        }
        if (BinaryPrimitives.ReadUInt16BigEndian(datagram[8..]) != internalPort)
            return false;
        TimeSpan lifetime = TimeSpan.FromSeconds(BinaryPrimitives.ReadUInt32BigEndian(datagram[12..]));
        response = new(new Endpoint(default, BinaryPrimitives.ReadUInt16BigEndian(datagram[10..])), PortMappingError.None, lifetime);
        return true;
    }

    // A response that tells an error may end after the code (section 3.5).
    private static bool TryParseHeader(ReadOnlySpan<byte> datagram, byte request, int size, out PortMappingError error)
    {
        error = PortMappingError.None;
        if (datagram.Length < 4 || datagram[0] != Version || datagram[1] != (Response | request))
            return false;
        error = BinaryPrimitives.ReadUInt16BigEndian(datagram[2..]) switch
        {
            0 => PortMappingError.None,
            1 => PortMappingError.UnsupportedVersion,
            2 => PortMappingError.NotAuthorized,
            3 => PortMappingError.NetworkFailure,
            4 => PortMappingError.OutOfResources,
            5 => PortMappingError.Unsupported,
            _ => PortMappingError.Failed,
        };
        return error != PortMappingError.None || datagram.Length >= size;
    }
}
