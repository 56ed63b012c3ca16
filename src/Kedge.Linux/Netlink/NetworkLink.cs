using System.Runtime.InteropServices;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Netlink;

/// <summary>A network interface, as the kernel describes it.</summary>
/// <param name="Index">Its index, greater than 0.</param>
/// <param name="Name">Its name.</param>
/// <param name="Kind">What it is, such as <c>tun</c>, <c>veth</c>, <c>bridge</c> or <c>wireguard</c>; empty for hardware.</param>
/// <param name="Mtu">Bytes of the longest packet.</param>
/// <param name="IsUp">Whether it is administratively up.</param>
/// <param name="IsRunning">Whether it carries packets: it is up, and the kernel has noticed that its other end is as well.</param>
/// <param name="IsLoopback">Whether it is the loopback interface.</param>
/// <param name="Tun">More about a TUN or TAP; null for all others.</param>
public sealed record NetworkLink(
    int Index, string Name, string Kind, int Mtu, bool IsUp, bool IsRunning, bool IsLoopback, TunAttributes? Tun)
{
    internal static NetworkLink? Read(NetlinkMessage message)
    {
        if (message.Type is not (Rtnetlink.RTM_NEWLINK or Rtnetlink.RTM_DELLINK) || message.Body.Length < Rtnetlink.LinkHeaderSize)
            return null;
        Libc.Ifinfomsg header = MemoryMarshal.Read<Libc.Ifinfomsg>(message.Body);
        if (header.Family != 0)
            return null; // bridges tell about their ports so
        (string name, string kind, int mtu, TunAttributes? tun) = ("", "", 0, null);
        NetlinkAttributes attributes = message.Attributes(Rtnetlink.LinkHeaderSize);
        while (attributes.MoveNext())
        {
            switch (attributes.Type)
            {
                case Rtnetlink.IFLA_IFNAME:
                    name = attributes.Text;
                    break;
                case Rtnetlink.IFLA_MTU:
                    mtu = (int)attributes.Number;
                    break;
                case Rtnetlink.IFLA_LINKINFO:
                    NetlinkAttributes details = attributes.Nested;
                    while (details.MoveNext())
                    {
                        if (details.Type == Rtnetlink.IFLA_INFO_KIND)
                            kind = details.Text;
                        else if (details.Type == Rtnetlink.IFLA_INFO_DATA && kind == "tun")
                            tun = TunAttributes.Read(details.Nested);
                    }
                    break;
            }
        }
        return new NetworkLink(
            header.Index,
            name,
            kind,
            mtu,
            (header.Flags & Rtnetlink.IFF_UP) != 0,
            (header.Flags & Rtnetlink.IFF_RUNNING) != 0,
            (header.Flags & Rtnetlink.IFF_LOOPBACK) != 0,
            tun);
    }
}

/// <summary>What kind of TUN interface one is.</summary>
/// <param name="IsTun">Whether it carries IP packets; else it is a TAP, which carries Ethernet frames.</param>
/// <param name="HasPacketInformation">Whether four bytes go before each packet (no <c>IFF_NO_PI</c>).</param>
/// <param name="HasVirtioHeader">Whether a header about offloads goes before each packet (<c>IFF_VNET_HDR</c>).</param>
/// <param name="IsPersistent">Whether it stays when nobody holds it.</param>
/// <param name="IsMultiQueue">Whether several descriptors may hold it (<c>IFF_MULTI_QUEUE</c>).</param>
/// <param name="AttachedQueues">Where it is for several: how many descriptors hold it now, detached ones counted.</param>
public sealed record TunAttributes(
    bool IsTun, bool HasPacketInformation, bool HasVirtioHeader, bool IsPersistent, bool IsMultiQueue, int AttachedQueues)
{
    internal static TunAttributes Read(NetlinkAttributes attributes)
    {
        (bool isTun, bool information, bool header, bool persistent, bool multiQueue) = (false, false, false, false, false);
        int attached = 0;
        while (attributes.MoveNext())
        {
            switch (attributes.Type)
            {
                case Rtnetlink.IFLA_TUN_TYPE:
                    isTun = attributes.Number == Libc.IFF_TUN;
                    break;
                case Rtnetlink.IFLA_TUN_PI:
                    information = attributes.Number != 0;
                    break;
                case Rtnetlink.IFLA_TUN_VNET_HDR:
                    header = attributes.Number != 0;
                    break;
                case Rtnetlink.IFLA_TUN_PERSIST:
                    persistent = attributes.Number != 0;
                    break;
                case Rtnetlink.IFLA_TUN_MULTI_QUEUE:
                    multiQueue = attributes.Number != 0;
                    break;
                case Rtnetlink.IFLA_TUN_NUM_QUEUES or Rtnetlink.IFLA_TUN_NUM_DISABLED_QUEUES:
                    attached += (int)attributes.Number;
                    break;
            }
        }
        return new TunAttributes(isTun, information, header, persistent, multiQueue, attached);
    }
}
