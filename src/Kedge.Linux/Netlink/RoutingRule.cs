using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Netlink;

/// <summary>A rule of the routing policy: which table to look into, and for which packets.</summary>
/// <param name="IsIPv6">The family; a rule has only one.</param>
/// <param name="Priority">Where it stands: lower ones are asked first.</param>
/// <param name="Table">The table. One that is <see cref="IsUnreachable"/> only keeps the number.</param>
/// <param name="Protocol">Who has added it; ours is our own.</param>
public sealed record RoutingRule(bool IsIPv6, int Priority, int Table, byte Protocol)
{
    /// <summary>The destinations that it is about; none where it is about all.</summary>
    public IpPrefix Destination { get; init; }

    /// <summary>The flow that it is about; null where it is about all. A kernel before 4.17 cannot tell flows apart.</summary>
    public UdpFlow? Flow { get; init; }

    /// <summary>The firewall mark that it is about, where <see cref="MarkMask"/> is not 0.</summary>
    public uint Mark { get; init; }

    /// <summary>Which bits of the mark count.</summary>
    public uint MarkMask { get; init; }

    /// <summary>Whether it is about the packets that do not fit.</summary>
    public bool IsInverted { get; init; }

    /// <summary>Whether it refuses what fits (ENETUNREACH), in place of looking into its table.</summary>
    public bool IsUnreachable { get; init; }

    /// <summary>Routes with so many leading bits, and fewer, do not count; -1 where all do.</summary>
    public int SuppressedPrefixLength { get; init; } = -1;

    internal static RoutingRule? Read(NetlinkMessage message)
    {
        if (message.Type is not (Rtnetlink.RTM_NEWRULE or Rtnetlink.RTM_DELRULE) || message.Body.Length < Rtnetlink.RuleHeaderSize)
            return null;
        ReadOnlySpan<byte> header = message.Body;
        if (header[0] is not (Libc.AF_INET or Libc.AF_INET6))
            return null;
        int destinationLength = header[1];
        UdpFlow flow = default;
        var rule = new RoutingRule(header[0] == Libc.AF_INET6, 0, header[4], 0)
        {
            IsInverted = (MemoryMarshal.Read<uint>(header[8..]) & Rtnetlink.FIB_RULE_INVERT) != 0,
            IsUnreachable = header[7] == Rtnetlink.FR_ACT_UNREACHABLE,
        };
        NetlinkAttributes attributes = message.Attributes(Rtnetlink.RuleHeaderSize);
        while (attributes.MoveNext())
        {
            rule = attributes.Type switch
            {
                Rtnetlink.FRA_DST => rule with { Destination = attributes.Prefix(destinationLength) },
                Rtnetlink.FRA_PRIORITY => rule with { Priority = (int)attributes.Number },
                Rtnetlink.FRA_TABLE => rule with { Table = (int)attributes.Number },
                Rtnetlink.FRA_PROTOCOL => rule with { Protocol = (byte)attributes.Number },
                Rtnetlink.FRA_FWMARK => rule with { Mark = attributes.Number },
                Rtnetlink.FRA_FWMASK => rule with { MarkMask = attributes.Number },
                Rtnetlink.FRA_SPORT_RANGE => rule with { Flow = flow = flow with { SourcePort = (ushort)attributes.Number } },
                Rtnetlink.FRA_DPORT_RANGE => rule with { Flow = flow = flow with { DestinationPort = (ushort)attributes.Number } },
                Rtnetlink.FRA_SUPPRESS_PREFIXLEN => rule with { SuppressedPrefixLength = (int)attributes.Number },
                _ => rule,
            };
        }
        return rule;
    }

    /// <summary>Asks to add or delete it.</summary>
    internal NetlinkRequest ToRequest(ushort type, ushort flags)
    {
        var request = new NetlinkRequest(type, flags, Rtnetlink.RuleHeaderSize);
        request.Header[0] = (byte)(IsIPv6 ? Libc.AF_INET6 : Libc.AF_INET);
        request.Header[4] = Table < 256 ? (byte)Table : (byte)0;
        request.Header[7] = IsUnreachable ? Rtnetlink.FR_ACT_UNREACHABLE : Rtnetlink.FR_ACT_TO_TBL;
        MemoryMarshal.Write(request.Header[8..], IsInverted ? Rtnetlink.FIB_RULE_INVERT : 0);
        if (!Destination.IsNone)
        {
            request.Header[1] = (byte)Destination.Length;
            request.Add(Rtnetlink.FRA_DST, Destination.Address);
        }
        request.Add(Rtnetlink.FRA_PRIORITY, (uint)Priority);
        request.Add(Rtnetlink.FRA_TABLE, (uint)Table);
        request.Add(Rtnetlink.FRA_PROTOCOL, Protocol);
        if (MarkMask != 0)
        {
            request.Add(Rtnetlink.FRA_FWMARK, Mark);
            request.Add(Rtnetlink.FRA_FWMASK, MarkMask);
        }
        if (Flow is { } flow)
        {
            request.Add(Rtnetlink.FRA_IP_PROTO, Rtnetlink.IPPROTO_UDP);
            request.Add(Rtnetlink.FRA_SPORT_RANGE, Range(flow.SourcePort));
            request.Add(Rtnetlink.FRA_DPORT_RANGE, Range(flow.DestinationPort));
        }
        if (SuppressedPrefixLength >= 0)
            request.Add(Rtnetlink.FRA_SUPPRESS_PREFIXLEN, (uint)SuppressedPrefixLength);
        return request;

        // struct fib_rule_port_range: the first and the last one, 16 bits each.
        static uint Range(ushort port) => port | ((uint)port << 16);
    }
}
