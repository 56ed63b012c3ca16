using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Stun;

/// <summary>
/// A STUN message in somebody's buffer (RFC 8489, section 5), whose attributes are known to be well formed. Copies nothing.
/// </summary>
public readonly ref struct StunMessage
{
    /// <summary>Bytes before the attributes.</summary>
    public const int HeaderSize = 20;

    /// <summary>Bytes of the longest message that fits into a datagram that nobody fragments (RFC 8489 section 6.1).</summary>
    public const int MaximumSize = 548;

    /// <summary>Bytes of an attribute before its value.</summary>
    internal const int AttributeHeaderSize = 4;

    /// <summary>What the second word of every message is since RFC 5389.</summary>
    public const uint MagicCookie = 0x2112A442;

    private readonly ReadOnlySpan<byte> _attributes;

    private StunMessage(ReadOnlySpan<byte> datagram)
    {
        Type = (StunMessageType)BinaryPrimitives.ReadUInt16BigEndian(datagram);
        TransactionId = StunTransactionId.Read(datagram[8..]);
        _attributes = datagram[HeaderSize..];
    }

    /// <summary>What kind of message it is; a type without a name here is not of Binding.</summary>
    public StunMessageType Type { get; }

    /// <summary>Which request it is, or answers.</summary>
    public StunTransactionId TransactionId { get; }

    /// <summary>
    /// Reads a datagram. It is a message only when its header, its exact length and all its attributes are well formed, and when a
    /// FINGERPRINT, if there is one, is right and the last attribute.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> datagram, out StunMessage message)
    {
        message = default;
        if (datagram.Length < HeaderSize
            || datagram[0] >= 0x40
            || BinaryPrimitives.ReadUInt32BigEndian(datagram[4..]) != MagicCookie
            || datagram.Length % 4 != 0
            || BinaryPrimitives.ReadUInt16BigEndian(datagram[2..]) != datagram.Length - HeaderSize)
        {
            return false;
        }
        for (int at = HeaderSize; at < datagram.Length;)
        {
            var type = (StunAttribute)BinaryPrimitives.ReadUInt16BigEndian(datagram[at..]);
            int length = BinaryPrimitives.ReadUInt16BigEndian(datagram[(at + 2)..]);
            int end = at + 4 + Padded(length);
            if (end > datagram.Length)
                return false;
            bool isFingerprint = type == StunAttribute.Fingerprint;
            if (isFingerprint && (end != datagram.Length || !Fingerprint.IsValid(datagram[..at], datagram.Slice(at + 4, length))))
                return false;
            at = end;
        }
        message = new StunMessage(datagram);
        return true;
    }

    /// <summary>The value of the first attribute of a type; false where there is none.</summary>
    public bool TryFind(StunAttribute type, out ReadOnlySpan<byte> value)
    {
        foreach (Attribute attribute in this)
        {
            if (attribute.Type != type)
                continue;
            value = attribute.Value;
            return true;
        }
        value = default;
        return false;
    }

    /// <summary>
    /// Reads the reflexive endpoint: XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS where the server knows no better (sections 14.1 and 14.2). False
    /// where there is none, or one that nothing can be sent to.
    /// </summary>
    public bool TryReadMappedAddress(out Endpoint endpoint)
    {
        endpoint = default;
        bool isDisguised = TryFind(StunAttribute.XorMappedAddress, out ReadOnlySpan<byte> value);
        return (isDisguised || TryFind(StunAttribute.MappedAddress, out value)) && TryReadEndpoint(value, isDisguised, out endpoint);
    }

    /// <summary>
    /// Reads an endpoint of the server, such as RESPONSE-ORIGIN and OTHER-ADDRESS. False where there is none, or one that nothing can be
    /// sent to.
    /// </summary>
    public bool TryReadAddress(StunAttribute type, out Endpoint endpoint)
    {
        endpoint = default;
        return TryFind(type, out ReadOnlySpan<byte> value) && TryReadEndpoint(value, isDisguised: false, out endpoint);
    }

    /// <summary>Reads CHANGE-REQUEST. False where there is none, or one that is not 4 bytes long.</summary>
    public bool TryReadChange(out StunChange change)
    {
        bool isFound = TryFind(StunAttribute.ChangeRequest, out ReadOnlySpan<byte> value) && value.Length == sizeof(uint);
        change = isFound ? (StunChange)BinaryPrimitives.ReadUInt32BigEndian(value) : StunChange.None;
        change &= StunChange.Address | StunChange.Port;
        return isFound;
    }

    private bool TryReadEndpoint(ReadOnlySpan<byte> value, bool isDisguised, out Endpoint endpoint)
    {
        endpoint = default;
        if (value.Length < 4 || (value[1], value.Length) is not ((StunAddress.IPv4Family, 8) or (StunAddress.IPv6Family, 20)))
            return false;
        Span<byte> bytes = stackalloc byte[18];
        bytes = bytes[..(value.Length - 2)];
        value[2..].CopyTo(bytes);
        if (isDisguised)
            StunAddress.Disguise(bytes, TransactionId);
        endpoint = new Endpoint(IpAddress.FromBytes(bytes[2..]), BinaryPrimitives.ReadUInt16BigEndian(bytes));
        return endpoint.Port != 0 && StunAddress.IsUnicast(endpoint.Address);
    }

    /// <summary>The attributes, in their order.</summary>
    public Enumerator GetEnumerator() => new(_attributes);

    /// <summary>The length of an attribute's value with its padding (section 14).</summary>
    internal static int Padded(int length) => (length + 3) & ~3;

    /// <summary>One attribute.</summary>
    public readonly ref struct Attribute
    {
        internal Attribute(StunAttribute type, ReadOnlySpan<byte> value)
        {
            Type = type;
            Value = value;
        }

        /// <summary>What it is.</summary>
        public StunAttribute Type { get; }

        /// <summary>Its value, without padding.</summary>
        public ReadOnlySpan<byte> Value { get; }

        /// <summary>Whether a request with it must be refused by whoever does not understand it.</summary>
        public bool IsComprehensionRequired => (ushort)Type < 0x8000;
    }

    /// <summary>Goes through the attributes of a message.</summary>
    public ref struct Enumerator
    {
        private ReadOnlySpan<byte> _rest;

        internal Enumerator(ReadOnlySpan<byte> attributes) => _rest = attributes;

        /// <summary>The attribute that <see cref="MoveNext"/> came to.</summary>
        public Attribute Current { get; private set; }

        /// <summary>Goes to the next attribute; false behind the last one.</summary>
        public bool MoveNext()
        {
            if (_rest.IsEmpty)
                return false;
            int length = BinaryPrimitives.ReadUInt16BigEndian(_rest[2..]);
            Current = new Attribute((StunAttribute)BinaryPrimitives.ReadUInt16BigEndian(_rest), _rest.Slice(4, length));
            _rest = _rest[(4 + Padded(length))..];
            return true;
        }
    }
}
