using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Stun;

/// <summary>Writes one STUN message into a buffer, attribute by attribute.</summary>
public ref struct StunWriter
{
    private readonly Span<byte> _buffer;
    private readonly StunTransactionId _id;

    /// <summary>Begins a message without attributes.</summary>
    /// <param name="buffer">Where it goes, from the start on. It must hold everything that is written.</param>
    /// <param name="type">What it is.</param>
    /// <param name="id">Which request it is, or answers.</param>
    public StunWriter(Span<byte> buffer, StunMessageType type, StunTransactionId id)
    {
        _buffer = buffer;
        _id = id;
        BinaryPrimitives.WriteUInt16BigEndian(buffer, (ushort)type);
        BinaryPrimitives.WriteUInt32BigEndian(buffer[4..], StunMessage.MagicCookie);
        id.CopyTo(buffer[8..]);
        SetLength(StunMessage.HeaderSize);
    }

    /// <summary>The message's length in bytes so far.</summary>
    public int Length { get; private set; }

    /// <summary>Adds XOR-MAPPED-ADDRESS: 12 bytes for IPv4, 24 for IPv6.</summary>
    public void AddXorMappedAddress(Endpoint endpoint)
    {
        Span<byte> value = AddEndpoint(StunAttribute.XorMappedAddress, endpoint);
        StunAddress.Disguise(value[2..], _id);
    }

    /// <summary>Adds an endpoint in the clear, such as RESPONSE-ORIGIN: 12 bytes for IPv4, 24 for IPv6.</summary>
    public void AddAddress(StunAttribute type, Endpoint endpoint) => AddEndpoint(type, endpoint);

    /// <summary>Adds CHANGE-REQUEST: 8 bytes.</summary>
    public void AddChangeRequest(StunChange change) =>
        BinaryPrimitives.WriteUInt32BigEndian(Add(StunAttribute.ChangeRequest, sizeof(uint)), (uint)change);

    /// <summary>Adds SOFTWARE: 4 bytes and the text, padded to a multiple of 4.</summary>
    /// <param name="text">UTF-8, less than 128 characters.</param>
    public void AddSoftware(scoped ReadOnlySpan<byte> text) => text.CopyTo(Add(StunAttribute.Software, text.Length));

    /// <summary>Adds ERROR-CODE without a reason in words: 8 bytes.</summary>
    /// <param name="code">300 to 699.</param>
    public void AddErrorCode(int code)
    {
        Span<byte> value = Add(StunAttribute.ErrorCode, 4);
        value[2] = (byte)(code / 100);
        value[3] = (byte)(code % 100);
    }

    /// <summary>Adds UNKNOWN-ATTRIBUTES: 4 bytes, and 2 for each, padded to a multiple of 4.</summary>
    public void AddUnknownAttributes(scoped ReadOnlySpan<StunAttribute> attributes)
    {
        Span<byte> value = Add(StunAttribute.UnknownAttributes, 2 * attributes.Length);
        for (int i = 0; i < attributes.Length; i++)
            BinaryPrimitives.WriteUInt16BigEndian(value[(2 * i)..], (ushort)attributes[i]);
    }

    /// <summary>Adds FINGERPRINT, 8 bytes; nothing may follow.</summary>
    public void AddFingerprint()
    {
        int before = Length;
        Span<byte> value = Add(StunAttribute.Fingerprint, sizeof(uint));
        BinaryPrimitives.WriteUInt32BigEndian(value, Fingerprint.Of(_buffer[..before]));
    }

    private Span<byte> AddEndpoint(StunAttribute type, Endpoint endpoint)
    {
        Span<byte> value = Add(type, 4 + endpoint.Address.Size);
        value[1] = endpoint.Address.IsIPv4 ? StunAddress.IPv4Family : StunAddress.IPv6Family;
        BinaryPrimitives.WriteUInt16BigEndian(value[2..], endpoint.Port);
        endpoint.Address.CopyTo(value[4..]);
        return value;
    }

    private Span<byte> Add(StunAttribute type, int length)
    {
        Span<byte> attribute = _buffer.Slice(Length, 4 + StunMessage.Padded(length));
        attribute.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(attribute, (ushort)type);
        BinaryPrimitives.WriteUInt16BigEndian(attribute[2..], (ushort)length);
        SetLength(Length + attribute.Length);
        return attribute.Slice(4, length);
    }

    private void SetLength(int length)
    {
        Length = length;
        BinaryPrimitives.WriteUInt16BigEndian(_buffer[2..], (ushort)(length - StunMessage.HeaderSize));
    }
}
