namespace Kedge.Tests.ProxyProtocol;

/// <summary>Headers put together by hand from the tables of the specification, section 2.2.</summary>
internal static class ProxyHeaders
{
    public static readonly byte[] Signature = [.. "\r\n\r\n\0\r\nQUIT\n"u8];

    /// <summary>LOCAL, AF_UNSPEC, no addresses.</summary>
    public static readonly byte[] Local = [.. Signature, 0x20, 0x00, 0, 0];

    /// <summary>PROXY, TCP over IPv4, from 192.0.2.1:56324 to 198.51.100.2:443.</summary>
    public static readonly byte[] TcpOverIPv4 = [.. Signature, 0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 2, 0xDC, 0x04, 0x01, 0xBB];

    /// <summary>PROXY, TCP over IPv6, from [2001:db8::1]:56324 to [2001:db8::2]:443.</summary>
    public static readonly byte[] TcpOverIPv6 =
    [
        .. Signature, 0x21, 0x21, 0, 36,
        0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
        0xDC, 0x04, 0x01, 0xBB,
    ];
}
