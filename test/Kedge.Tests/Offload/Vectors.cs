namespace Kedge.Tests.Offload;

/// <summary>
/// Packets with five bytes of payload, and the three that they stand for with two bytes at a time, in hexadecimal. Laid out by hand from
/// the RFCs; checksums by a program of a few lines in another language.
/// </summary>
internal static class Vectors
{
    private const string IPv6Addresses = "20010DB800000000000000000000000120010DB8000000000000000000000002";

    /// <summary>From port 443; the sequence number and the identification of IPv4 wrap; ACK and PSH; ECT(0).</summary>
    public const string TcpV4 = "4502002DFFFF4000400626C70A0000010A00000201BBC350FFFFFFFE0000000150180200142200004142434445";

    /// <summary>From port 443; with timestamps (RFC 7323); ACK and PSH; traffic class 3.</summary>
    public const string TcpV6 =
        "6030000000250640" + IPv6Addresses + "01BBC3500000000100000001801802005BA000000101080A00000064000000C84142434445";

    /// <summary>From port 53.</summary>
    public const string UdpV4 = "4500002100074000401126C30A0000010A0000020035C350000D14214142434445";

    /// <summary>From port 53.</summary>
    public const string UdpV6 = "60300000000D1140" + IPv6Addresses + "0035C350000D5B934142434445";

    public static readonly string[] TcpV4Segments =
    [
        "4502002AFFFF4000400626CA0A0000010A00000201BBC350FFFFFFFE0000000150100200938200004142",
        "4502002A00004000400626CA0A0000010A00000201BBC350000000000000000150100200917F00004344",
        "4502002900014000400626CA0A0000010A00000201BBC3500000000200000001501802008FBA000045",
    ];

    public static readonly string[] TcpV6Segments =
    [
        "6030000000220640" + IPv6Addresses + "01BBC35000000001000000018010020011CB00000101080A00000064000000C84142",
        "6030000000220640" + IPv6Addresses + "01BBC3500000000300000001801002000FC700000101080A00000064000000C84344",
        "6030000000210640" + IPv6Addresses + "01BBC3500000000500000001801802000E0200000101080A00000064000000C845",
    ];

    public static readonly string[] UdpV4Segments =
    [
        "4500001E00074000401126C60A0000010A0000020035C350000AE70F4142",
        "4500001E00084000401126C50A0000010A0000020035C350000AE50D4344",
        "4500001D00094000401126C50A0000010A0000020035C3500009E35345",
    ];

    public static readonly string[] UdpV6Segments =
    [
        "60300000000A1140" + IPv6Addresses + "0035C350000A9F9D4142",
        "60300000000A1140" + IPv6Addresses + "0035C350000A9D9B4344",
        "6030000000091140" + IPv6Addresses + "0035C35000099BE145",
    ];
}
