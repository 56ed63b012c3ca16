using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Kedge.Linux.Interop;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Netlink;

/// <summary>One netlink message on its way to the kernel, put together attribute by attribute. All numbers are in the machine's order.</summary>
internal sealed class NetlinkRequest
{
    private readonly byte[] _buffer = new byte[512];
    private int _length;

    /// <summary>Begins a message with its family's own header, all zero.</summary>
    /// <param name="type">Such as <c>RTM_NEWROUTE</c>.</param>
    /// <param name="flags">Such as <c>NLM_F_CREATE</c>. <c>NLM_F_REQUEST</c> goes without saying.</param>
    /// <param name="headerSize">Bytes of the family's header.</param>
    public NetlinkRequest(ushort type, ushort flags, int headerSize)
    {
        Type = type;
        Flags = (ushort)(flags | Rtnetlink.NLM_F_REQUEST);
        _length = NetlinkMessage.HeaderSize + headerSize;
    }

    /// <summary>What is asked for.</summary>
    public ushort Type { get; }

    /// <summary>How it is asked for.</summary>
    public ushort Flags { get; }

    /// <summary>The family's header, to be filled in.</summary>
    public Span<byte> Header => _buffer.AsSpan(NetlinkMessage.HeaderSize);

    /// <summary>The message with its header, ready to be sent.</summary>
    /// <param name="sequence">What the answer bears.</param>
    /// <param name="isAcknowledged">Whether the answer is to have an end; a list always has one of its own.</param>
    public ReadOnlySpan<byte> Finish(uint sequence, bool isAcknowledged)
    {
        bool isList = (Flags & Rtnetlink.NLM_F_DUMP) == Rtnetlink.NLM_F_DUMP;
        ushort flags = isAcknowledged && !isList ? (ushort)(Flags | Rtnetlink.NLM_F_ACK) : Flags;
        var header = new Libc.Nlmsghdr { Length = (uint)_length, Type = Type, Flags = flags, Sequence = sequence };
        MemoryMarshal.Write(_buffer, header);
        return _buffer.AsSpan(0, _length);
    }

    /// <summary>Adds an attribute of 32 bits.</summary>
    public void Add(ushort type, uint value) => MemoryMarshal.Write(Add(type, sizeof(uint)), value);

    /// <summary>Adds an attribute of 16 bits in network order.</summary>
    public void AddBigEndian(ushort type, ushort value) => BinaryPrimitives.WriteUInt16BigEndian(Add(type, sizeof(ushort)), value);

    /// <summary>Adds an attribute of 8 bits.</summary>
    public void Add(ushort type, byte value) => Add(type, sizeof(byte))[0] = value;

    /// <summary>Adds an address.</summary>
    public void Add(ushort type, IpAddress address) => address.CopyTo(Add(type, address.Size));

    /// <summary>Adds a name, with the zero behind it.</summary>
    public void Add(ushort type, string name) => Encoding.UTF8.GetBytes(name, Add(type, Encoding.UTF8.GetByteCount(name) + 1));

    private Span<byte> Add(ushort type, int length)
    {
        var header = new Libc.Rtattr { Length = (ushort)(NetlinkMessage.AttributeHeaderSize + length), Type = type };
        Span<byte> attribute = _buffer.AsSpan(_length, NetlinkMessage.Align(header.Length));
        MemoryMarshal.Write(attribute, header);
        _length += attribute.Length;
        return attribute.Slice(NetlinkMessage.AttributeHeaderSize, length);
    }
}
