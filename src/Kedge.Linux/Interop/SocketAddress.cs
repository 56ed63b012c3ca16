using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Interop;

/// <summary>Endpoints in the kernel's form, <c>struct sockaddr_in</c> and <c>struct sockaddr_in6</c>.</summary>
internal static unsafe class SocketAddress
{
    /// <summary>Bytes of the longer of the two forms.</summary>
    public static int MaximumLength => sizeof(Libc.SockaddrIn6);

    /// <summary>Writes an endpoint and returns its length in bytes.</summary>
    public static uint Write(Endpoint endpoint, byte* destination)
    {
        if (endpoint.Address.IsIPv4)
        {
            var ipv4 = (Libc.SockaddrIn*)destination;
            *ipv4 = new() { Family = Libc.AF_INET, Port = BigEndian(endpoint.Port) };
            endpoint.Address.CopyTo(new Span<byte>(&ipv4->Address, 4));
            return (uint)sizeof(Libc.SockaddrIn);
        }
        var ipv6 = (Libc.SockaddrIn6*)destination;
        *ipv6 = new() { Family = Libc.AF_INET6, Port = BigEndian(endpoint.Port), ScopeId = endpoint.ScopeId };
        endpoint.Address.CopyTo(new Span<byte>(ipv6->Address, 16));
        return (uint)sizeof(Libc.SockaddrIn6);
    }

    /// <summary>Reads what the kernel wrote; no endpoint where the family is neither.</summary>
    public static Endpoint Read(byte* source)
    {
        switch (((Libc.SockaddrIn*)source)->Family)
        {
            case Libc.AF_INET:
                var ipv4 = (Libc.SockaddrIn*)source;
                return new Endpoint(IpAddress.FromBytes(new ReadOnlySpan<byte>(&ipv4->Address, 4)), BigEndian(ipv4->Port));
            case Libc.AF_INET6:
                var ipv6 = (Libc.SockaddrIn6*)source;
                return new Endpoint(IpAddress.FromBytes(new ReadOnlySpan<byte>(ipv6->Address, 16)), BigEndian(ipv6->Port), ipv6->ScopeId);
            default:
                return default;
        }
    }

    private static ushort BigEndian(ushort value) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;
}
