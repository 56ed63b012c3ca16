using System.Buffers.Binary;

namespace Kedge.Protocol.WireGuard;

/// <summary>The four message types of the WireGuard paper, section 5.4. On the wire: one byte of type, three of zero.</summary>
public static class MessageType
{
    /// <summary>Handshake initiation, <see cref="HandshakeInitiation"/>.</summary>
    public const uint Initiation = 1;

    /// <summary>Handshake response, <see cref="HandshakeResponse"/>.</summary>
    public const uint Response = 2;

    /// <summary>Cookie reply, <see cref="WireGuard.CookieReply"/>.</summary>
    public const uint CookieReply = 3;

    /// <summary>Transport data, <see cref="WireGuard.TransportData"/>.</summary>
    public const uint TransportData = 4;
}

/// <summary>The first message of a handshake, section 5.4.2: a view of 148 bytes.</summary>
public readonly ref struct HandshakeInitiation(Span<byte> bytes)
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 148;

    /// <summary>The whole message.</summary>
    public Span<byte> Bytes { get; } = bytes[..Size];

    /// <summary>Type 1 and the reserved zero bytes.</summary>
    public uint Type { set => BinaryPrimitives.WriteUInt32LittleEndian(Bytes, value); }

    /// <summary>The index that the initiator wants to be addressed with.</summary>
    public uint Sender
    {
        get => BinaryPrimitives.ReadUInt32LittleEndian(Bytes[4..]);
        set => BinaryPrimitives.WriteUInt32LittleEndian(Bytes[4..], value);
    }

    /// <summary>The initiator's ephemeral public key, 32 bytes.</summary>
    public Span<byte> Ephemeral => Bytes.Slice(8, 32);

    /// <summary>The initiator's static public key, encrypted, 48 bytes.</summary>
    public Span<byte> Static => Bytes.Slice(40, 48);

    /// <summary>A <see cref="Tai64N"/>, encrypted, 28 bytes.</summary>
    public Span<byte> Timestamp => Bytes.Slice(88, 28);
}

/// <summary>The second message of a handshake, section 5.4.3: a view of 92 bytes.</summary>
public readonly ref struct HandshakeResponse(Span<byte> bytes)
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 92;

    /// <summary>The whole message.</summary>
    public Span<byte> Bytes { get; } = bytes[..Size];

    /// <summary>Type 2 and the reserved zero bytes.</summary>
    public uint Type { set => BinaryPrimitives.WriteUInt32LittleEndian(Bytes, value); }

    /// <summary>The index that the responder wants to be addressed with.</summary>
    public uint Sender
    {
        get => BinaryPrimitives.ReadUInt32LittleEndian(Bytes[4..]);
        set => BinaryPrimitives.WriteUInt32LittleEndian(Bytes[4..], value);
    }

    /// <summary>The initiator's index.</summary>
    public uint Receiver
    {
        get => BinaryPrimitives.ReadUInt32LittleEndian(Bytes[8..]);
        set => BinaryPrimitives.WriteUInt32LittleEndian(Bytes[8..], value);
    }

    /// <summary>The responder's ephemeral public key, 32 bytes.</summary>
    public Span<byte> Ephemeral => Bytes.Slice(12, 32);

    /// <summary>Nothing, encrypted: 16 bytes of tag.</summary>
    public Span<byte> Empty => Bytes.Slice(44, 16);
}

/// <summary>What a responder under load answers instead, section 5.4.7: a view of 64 bytes.</summary>
public readonly ref struct CookieReply(Span<byte> bytes)
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 64;

    /// <summary>The whole message.</summary>
    public Span<byte> Bytes { get; } = bytes[..Size];

    /// <summary>Type 3 and the reserved zero bytes.</summary>
    public uint Type { set => BinaryPrimitives.WriteUInt32LittleEndian(Bytes, value); }

    /// <summary>The index of the sender of the message that is being answered.</summary>
    public uint Receiver
    {
        get => BinaryPrimitives.ReadUInt32LittleEndian(Bytes[4..]);
        set => BinaryPrimitives.WriteUInt32LittleEndian(Bytes[4..], value);
    }

    /// <summary>24 random bytes.</summary>
    public Span<byte> Nonce => Bytes.Slice(8, 24);

    /// <summary>The cookie, encrypted, 32 bytes.</summary>
    public Span<byte> Cookie => Bytes.Slice(32, 32);
}

/// <summary>
/// An encrypted packet, section 5.4.6: a view of a 16-byte header; ciphertext and a tag of 16 bytes follow. With nothing inside it is a
/// keepalive.
/// </summary>
public readonly ref struct TransportData(Span<byte> bytes)
{
    /// <summary>Bytes before the ciphertext.</summary>
    public const int HeaderSize = 16;

    /// <summary>Bytes that header and tag add to a packet, padding not counted.</summary>
    public const int Overhead = HeaderSize + 16;

    /// <summary>Packets are padded to multiples of this, section 5.4.6.</summary>
    public const int PaddingMultiple = 16;

    /// <summary>The header.</summary>
    public Span<byte> Header { get; } = bytes[..HeaderSize];

    /// <summary>Type 4 and the reserved zero bytes.</summary>
    public uint Type { set => BinaryPrimitives.WriteUInt32LittleEndian(Header, value); }

    /// <summary>The receiver's index.</summary>
    public uint Receiver
    {
        get => BinaryPrimitives.ReadUInt32LittleEndian(Header[4..]);
        set => BinaryPrimitives.WriteUInt32LittleEndian(Header[4..], value);
    }

    /// <summary>The nonce's counter.</summary>
    public ulong Counter
    {
        get => BinaryPrimitives.ReadUInt64LittleEndian(Header[8..]);
        set => BinaryPrimitives.WriteUInt64LittleEndian(Header[8..], value);
    }

    /// <summary>
    /// The length that a packet is padded to: a multiple of 16, but never beyond the MTU, so that a full packet's datagram does not
    /// exceed the path where the MTU is no multiple of 16.
    /// </summary>
    /// <param name="length">The packet's length in bytes.</param>
    /// <param name="mtu">The tunnel's MTU in bytes.</param>
    public static int PaddedLength(int length, int mtu) =>
        Math.Max(length, Math.Min(mtu, (length + PaddingMultiple - 1) & -PaddingMultiple));
}
