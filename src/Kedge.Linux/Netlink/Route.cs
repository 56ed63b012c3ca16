using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Netlink;

/// <summary>A route.</summary>
/// <param name="Destination">Where to.</param>
/// <param name="Table">The routing table's number; 254 is the main one.</param>
/// <param name="Protocol">Who has added it: 2 the kernel, 3 whoever brought the machine up, 4 an administrator; ours is our own.</param>
/// <param name="Index">The interface that packets leave by; of a route with several ways, the first one's; 0 where there is none.</param>
/// <param name="PreferredSource">The address that the machine sends from by this route; none where that is not said.</param>
public sealed record Route(IpPrefix Destination, int Table, byte Protocol, int Index, IpAddress PreferredSource = default)
{
    /// <summary>The number of the main table.</summary>
    public const int MainTable = 254;

    /// <summary>The <see cref="Protocol"/> of what brings a machine up, and of <c>ip route add</c>.</summary>
    public const byte BootProtocol = 3;

    /// <summary>Whether it leads to another machine that goes on from there.</summary>
    public bool HasGateway { get; private init; }

    /// <summary>That machine, where it is one and of the destination's family; none otherwise.</summary>
    public IpAddress Gateway { get; private init; }

    /// <summary>Bytes of the longest packet that it is known to carry, as was set or learned from ICMP; 0 where only its interface limits it.</summary>
    public int Mtu { get; private init; }

    /// <summary>Whether it leads anywhere at all; else it is of another type, such as <c>blackhole</c>, <c>local</c> or <c>broadcast</c>.</summary>
    public bool IsUnicast { get; private init; } = true;

    internal static Route? Read(NetlinkMessage message)
    {
        if (message.Type != Rtnetlink.RTM_NEWROUTE || message.Body.Length < Rtnetlink.RouteHeaderSize)
            return null;
        ReadOnlySpan<byte> header = message.Body;
        (int family, int length, int table) = (header[0], header[1], header[4]);
        if (family is not (Libc.AF_INET or Libc.AF_INET6))
            return null;
        IpAddress destination = family == Libc.AF_INET ? IpAddress.IPv4(0) : IpAddress.IPv6(0);
        (IpAddress source, int index, IpAddress gateway, bool hasGateway, int mtu) = (default, 0, default, false, 0);
        NetlinkAttributes attributes = message.Attributes(Rtnetlink.RouteHeaderSize);
        while (attributes.MoveNext())
        {
            switch (attributes.Type)
            {
                case Rtnetlink.RTA_DST:
                    destination = attributes.Address;
                    break;
                case Rtnetlink.RTA_OIF:
                    index = (int)attributes.Number;
                    break;
                case Rtnetlink.RTA_GATEWAY:
                    (gateway, hasGateway) = (attributes.Address, true);
                    break;
                case Rtnetlink.RTA_VIA:
                    hasGateway = true;
                    break;
                case Rtnetlink.RTA_PREFSRC:
                    source = attributes.Address;
                    break;
                case Rtnetlink.RTA_METRICS:
                    NetlinkAttributes metrics = attributes.Nested;
                    while (metrics.MoveNext())
                    {
                        if (metrics.Type == Rtnetlink.RTAX_MTU)
                            mtu = (int)metrics.Number;
                    }
                    break;
                case Rtnetlink.RTA_TABLE:
                    table = (int)attributes.Number;
                    break;
                case Rtnetlink.RTA_MULTIPATH when attributes.Value.Length >= Rtnetlink.RtnexthopSize:
                    index = MemoryMarshal.Read<int>(attributes.Value[4..]);
                    hasGateway = true;
                    break;
            }
        }
        return new Route(new IpPrefix(destination, length), table, header[5], index, source)
        {
            HasGateway = hasGateway,
            Gateway = gateway,
            Mtu = mtu,
            IsUnicast = header[7] == Rtnetlink.RTN_UNICAST,
        };
    }

    /// <summary>Asks to add or delete it.</summary>
    internal NetlinkRequest ToRequest(ushort type, ushort flags)
    {
        var request = new NetlinkRequest(type, flags, Rtnetlink.RouteHeaderSize);
        bool isNew = type == Rtnetlink.RTM_NEWROUTE;
        request.Header[0] = (byte)(Destination.Address.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6);
        request.Header[1] = (byte)Destination.Length;
        request.Header[4] = Table < 256 ? (byte)Table : Rtnetlink.RT_TABLE_COMPAT;
        request.Header[5] = Protocol;
        request.Header[6] = !isNew ? Rtnetlink.RT_SCOPE_NOWHERE
            : Destination.Address.IsIPv4 ? Rtnetlink.RT_SCOPE_LINK
            : Rtnetlink.RT_SCOPE_UNIVERSE;
        request.Header[7] = Rtnetlink.RTN_UNICAST;
        request.Add(Rtnetlink.RTA_TABLE, (uint)Table);
        request.Add(Rtnetlink.RTA_OIF, (uint)Index);
        if (Destination.Length > 0)
            request.Add(Rtnetlink.RTA_DST, Destination.Address);
        if (!PreferredSource.IsNone)
            request.Add(Rtnetlink.RTA_PREFSRC, PreferredSource);
        return request;
    }
}
