using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.PortMapping;

/// <summary>MAP messages of the Port Control Protocol (RFC 6887, sections 7 and 11), for UDP and IPv4.</summary>
internal static class PcpMessage
{
    /// <summary>Bytes of a request and of its response.</summary>
    public const int Size = 60;

    /// <summary>Bytes of a mapping nonce.</summary>
    public const int NonceSize = 12;

    private const byte Version = 2;
    private const byte Map = 1, Response = 0x80;
    private const byte Udp = 17;

    /// <summary>Writes a request.</summary>
    /// <param name="request"><see cref="Size"/> bytes or more.</param>
    /// <param name="client">The address from which the request is sent, IPv4.</param>
    /// <param name="nonce">The mapping nonce, the same for all requests about one mapping.</param>
    /// <param name="internalPort">The port that is to be reached.</param>
    /// <param name="suggested">The external endpoint that is wished for; its address may be none.</param>
    /// <param name="lifetime">Seconds; 0 deletes the mapping.</param>
    /// <returns><see cref="Size"/>.</returns>
    public static int WriteRequest(
        Span<byte> request, IpAddress client, ReadOnlySpan<byte> nonce, ushort internalPort, Endpoint suggested, uint lifetime)
    {
        request = request[..Size];
        request.Clear();
        (request[0], request[1]) = (Version, Map);
        BinaryPrimitives.WriteUInt32BigEndian(request[4..], lifetime);
        WriteMapped(request[8..24], client);
        nonce.CopyTo(request[24..36]);
        request[36] = Udp;
        BinaryPrimitives.WriteUInt16BigEndian(request[40..], internalPort);
        BinaryPrimitives.WriteUInt16BigEndian(request[42..], suggested.Port);
        WriteMapped(request[44..60], suggested.Address);
        return Size;
    }

    /// <summary>Reads a response to a MAP request about a mapping.</summary>
    /// <param name="datagram">The datagram.</param>
    /// <param name="nonce">The mapping's nonce.</param>
    /// <param name="internalPort">The mapping's internal port.</param>
    /// <param name="response">The response.</param>
    /// <returns>Whether it is one.</returns>
    public static bool TryParse(ReadOnlySpan<byte> datagram, ReadOnlySpan<byte> nonce, ushort internalPort, out PortMappingResponse response)
    {
        response = default;
        if (datagram.Length < 4 || datagram[0] != Version || (datagram[1] & Response) == 0)
            return false;
        byte result = datagram[3];
        if (result == (byte)PcpResult.UnsupportedVersion)
        {
            // An answer to a request of NAT-PMP, as short as such a request is (section 9 and appendix A).
            response = new(default, PortMappingError.UnsupportedVersion, TimeSpan.Zero);
            return true;
        }
        if (datagram.Length < Size || datagram[1] != (Response | Map) || datagram[36] != Udp || !datagram[24..36].SequenceEqual(nonce)
            || BinaryPrimitives.ReadUInt16BigEndian(datagram[40..]) != internalPort)
        {
            return false;
        }
        TimeSpan lifetime = TimeSpan.FromSeconds(BinaryPrimitives.ReadUInt32BigEndian(datagram[4..]));
        var external = new Endpoint(IpAddress.FromBytes(datagram[44..60]).Unmapped(), BinaryPrimitives.ReadUInt16BigEndian(datagram[42..]));
        response = result == (byte)PcpResult.Success
            ? new(external, PortMappingError.None, lifetime)
            : new(default, ErrorOf(result), lifetime);
        return true;
    }

    private static PortMappingError ErrorOf(byte result) => (PcpResult)result switch
    {
        PcpResult.NotAuthorized => PortMappingError.NotAuthorized,
        PcpResult.NetworkFailure => PortMappingError.NetworkFailure,
        PcpResult.NoResources or PcpResult.UserExceededQuota => PortMappingError.OutOfResources,
        PcpResult.AddressMismatch => PortMappingError.AnotherNatBetween,
        PcpResult.UnsupportedOpcode or PcpResult.UnsupportedProtocol => PortMappingError.Unsupported,
        _ => PortMappingError.Failed,
    };

    /// <summary>An IPv4 address as an IPv4-mapped IPv6 one (section 5); none as the IPv4 address of all zeros.</summary>
    private static void WriteMapped(Span<byte> destination, IpAddress address)
    {
        destination[10] = destination[11] = 0xFF;
        address.CopyTo(destination[12..]);
    }

    /// <summary>Result codes (section 7.4), those that are told apart.</summary>
    private enum PcpResult : byte
    {
        Success = 0,
        UnsupportedVersion = 1,
        NotAuthorized = 2,
        UnsupportedOpcode = 4,
        NetworkFailure = 7,
        NoResources = 8,
        UnsupportedProtocol = 9,
        UserExceededQuota = 10,
        AddressMismatch = 12,
    }
}
