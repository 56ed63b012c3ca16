using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Netlink;

/// <summary>An address of an interface.</summary>
/// <param name="Index">The interface's index.</param>
/// <param name="Address">The address.</param>
/// <param name="PrefixLength">How many leading bits its network has.</param>
/// <param name="Protocol">Who has added it, as the kernel's <c>IFA_PROTO</c> tells; 0 where nobody has said.</param>
public sealed record InterfaceAddress(int Index, IpAddress Address, int PrefixLength, byte Protocol = 0)
{
    /// <summary>Whether nothing new should be sent from it: it is about to go, is made up for privacy, or is not known to be unique.</summary>
    public bool IsUnfitForOthers { get; private init; }

    /// <summary>Whether the kernel adds a route to its network with it; not read from the kernel.</summary>
    public bool HasPrefixRoute { get; init; }

    internal static InterfaceAddress? Read(NetlinkMessage message)
    {
        if (message.Type != Rtnetlink.RTM_NEWADDR || message.Body.Length < Rtnetlink.AddressHeaderSize)
            return null;
        uint flags = message.Body[2];
        int index = MemoryMarshal.Read<int>(message.Body[4..]);
        (IpAddress address, IpAddress local, byte protocol) = (default, default, 0);
        NetlinkAttributes attributes = message.Attributes(Rtnetlink.AddressHeaderSize);
        while (attributes.MoveNext())
        {
            switch (attributes.Type)
            {
                case Rtnetlink.IFA_ADDRESS:
                    address = attributes.Address;
                    break;
                case Rtnetlink.IFA_LOCAL: // of a point-to-point interface, where IFA_ADDRESS is the other end's
                    local = attributes.Address;
                    break;
                case Rtnetlink.IFA_FLAGS:
                    flags = attributes.Number;
                    break;
                case Rtnetlink.IFA_PROTO:
                    protocol = (byte)attributes.Number;
                    break;
            }
        }
        address = local.IsNone ? address : local;
        if (address.IsNone)
            return null;
        // Of an IPv4 address, the bit for "temporary" means "secondary".
        uint unfit = Rtnetlink.IFA_F_DEPRECATED | Rtnetlink.IFA_F_TENTATIVE | Rtnetlink.IFA_F_DADFAILED
            | (address.IsIPv6 ? Rtnetlink.IFA_F_TEMPORARY : 0);
        return new InterfaceAddress(index, address, message.Body[1], protocol) { IsUnfitForOthers = (flags & unfit) != 0 };
    }

    /// <summary>
    /// Asks to add or delete it. Added, it is usable at once (<c>nodad</c>), and brings a route to its network with it only where
    /// <see cref="HasPrefixRoute"/> says so (else <c>noprefixroute</c>).
    /// </summary>
    internal NetlinkRequest ToRequest(ushort type, ushort flags)
    {
        var request = new NetlinkRequest(type, flags, Rtnetlink.AddressHeaderSize);
        request.Header[0] = (byte)(Address.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6);
        request.Header[1] = (byte)PrefixLength;
        MemoryMarshal.Write(request.Header[4..], Index);
        request.Add(Rtnetlink.IFA_LOCAL, Address);
        request.Add(Rtnetlink.IFA_ADDRESS, Address);
        if (type == Rtnetlink.RTM_NEWADDR)
        {
            request.Add(Rtnetlink.IFA_FLAGS, Rtnetlink.IFA_F_NODAD | (HasPrefixRoute ? 0 : Rtnetlink.IFA_F_NOPREFIXROUTE));
            request.Add(Rtnetlink.IFA_PROTO, Protocol);
        }
        return request;
    }
}
