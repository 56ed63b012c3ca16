using System.Runtime.InteropServices;
using System.Text;
using Kedge.Linux.Interop;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Netlink;

/// <summary>One netlink message from the kernel, in the buffer that it was read into.</summary>
internal readonly ref struct NetlinkMessage
{
    public const int HeaderSize = 16; // struct nlmsghdr
    public const int AttributeHeaderSize = 4; // struct rtattr

    private NetlinkMessage(Libc.Nlmsghdr header, ReadOnlySpan<byte> body)
    {
        (Type, Flags, Sequence) = (header.Type, header.Flags, header.Sequence);
        Body = body;
    }

    public ushort Type { get; }

    public ushort Flags { get; }

    public uint Sequence { get; }

    /// <summary>Everything behind the header: the family's own header, then attributes.</summary>
    public ReadOnlySpan<byte> Body { get; }

    /// <summary>Rounds a length up to where the next message or attribute begins.</summary>
    public static int Align(int length) => (length + 3) & ~3; // NLMSG_ALIGN, RTA_ALIGN

    /// <summary>Takes the first message off a datagram; false at its end.</summary>
    public static bool TryTake(scoped ref ReadOnlySpan<byte> datagram, out NetlinkMessage message)
    {
        message = default;
        if (datagram.Length < HeaderSize)
            return false;
        Libc.Nlmsghdr header = MemoryMarshal.Read<Libc.Nlmsghdr>(datagram);
        if (header.Length < HeaderSize || header.Length > (uint)datagram.Length)
            return false;
        message = new NetlinkMessage(header, datagram[HeaderSize..(int)header.Length]);
        datagram = datagram[Math.Min(Align((int)header.Length), datagram.Length)..];
        return true;
    }

    /// <summary>The attributes behind a family's header.</summary>
    public NetlinkAttributes Attributes(int headerSize) => new(Body.Length < headerSize ? [] : Body[headerSize..]);
}

/// <summary>Goes through netlink attributes.</summary>
/// <param name="rest">The attributes' bytes.</param>
internal ref struct NetlinkAttributes(ReadOnlySpan<byte> rest)
{
    private ReadOnlySpan<byte> _rest = rest;

    /// <summary>The type of the attribute that <see cref="MoveNext"/> came to, without its flag bits.</summary>
    public ushort Type { get; private set; }

    /// <summary>Its value.</summary>
    public ReadOnlySpan<byte> Value { get; private set; }

    /// <summary>The value as a number of 8, 16 or 32 bits; 0 where it is none.</summary>
    public readonly uint Number => Value.Length switch
    {
        1 => Value[0],
        2 => MemoryMarshal.Read<ushort>(Value),
        4 => MemoryMarshal.Read<uint>(Value),
        _ => 0,
    };

    /// <summary>The value as an address; none where it is none.</summary>
    public readonly IpAddress Address => Value.Length is 4 or 16 ? IpAddress.FromBytes(Value) : default;

    /// <summary>The value as the address of a prefix; none where it is none, or the length does not fit.</summary>
    /// <param name="length">How many leading bits the prefix has, as the message's header tells.</param>
    public readonly IpPrefix Prefix(int length) =>
        Value.Length is 4 or 16 && length <= 8 * Value.Length ? new IpPrefix(Address, length) : default;

    /// <summary>The value as a name.</summary>
    public readonly string Text => Encoding.UTF8.GetString(Value.TrimEnd((byte)0));

    /// <summary>The value as attributes inside this one.</summary>
    public readonly NetlinkAttributes Nested => new(Value);

    /// <summary>Goes to the next attribute; false behind the last one.</summary>
    public bool MoveNext()
    {
        const ushort TypeMask = 0x3FFF; // NLA_TYPE_MASK
        if (_rest.Length < NetlinkMessage.AttributeHeaderSize)
            return false;
        Libc.Rtattr header = MemoryMarshal.Read<Libc.Rtattr>(_rest);
        if (header.Length < NetlinkMessage.AttributeHeaderSize || header.Length > _rest.Length)
            return false;
        Type = (ushort)(header.Type & TypeMask);
        Value = _rest[NetlinkMessage.AttributeHeaderSize..header.Length];
        _rest = _rest[Math.Min(NetlinkMessage.Align(header.Length), _rest.Length)..];
        return true;
    }
}
