using System.Buffers.Binary;

namespace Kedge.Protocol.Rosenpass;

/// <summary>The message types of the Rosenpass white paper, section 2.4: the first byte of a datagram.</summary>
public static class MessageType
{
    /// <summary><see cref="Rosenpass.InitHello"/>.</summary>
    public const byte InitHello = 0x81;

    /// <summary><see cref="Rosenpass.RespHello"/>.</summary>
    public const byte RespHello = 0x82;

    /// <summary><see cref="Rosenpass.InitConf"/>.</summary>
    public const byte InitConf = 0x83;

    /// <summary><see cref="Rosenpass.EmptyData"/>.</summary>
    public const byte EmptyData = 0x84;

    /// <summary><see cref="Rosenpass.CookieReply"/>.</summary>
    public const byte CookieReply = 0x86;
}

/// <summary>What every message but the cookie reply begins and ends with: a view of the whole message.</summary>
internal readonly ref struct Envelope(Span<byte> bytes)
{
    /// <summary>Bytes around the payload: type and reserved bytes before it, MAC and cookie behind it.</summary>
    public const int Overhead = HeaderSize + (2 * MacSize);

    /// <summary>Bytes before the payload.</summary>
    public const int HeaderSize = 4;

    /// <summary>Bytes of a MAC, and of a cookie.</summary>
    public const int MacSize = 16;

    /// <summary>The whole message.</summary>
    public Span<byte> Bytes { get; } = bytes;

    /// <summary>What the message is for.</summary>
    public Span<byte> Payload => Bytes[HeaderSize..^(2 * MacSize)];

    /// <summary>What the MAC covers: type, reserved bytes and payload.</summary>
    public ReadOnlySpan<byte> CoveredByMac => Bytes[..^(2 * MacSize)];

    /// <summary>Shows that the sender knows the receiver's public key.</summary>
    public Span<byte> Mac => Bytes[^(2 * MacSize)..^MacSize];

    /// <summary>What the cookie covers: everything before it.</summary>
    public ReadOnlySpan<byte> CoveredByCookie => Bytes[..^MacSize];

    /// <summary>Shows that the sender was given a cookie, so that its address is its own. Zero without one.</summary>
    public Span<byte> Cookie => Bytes[^MacSize..];

    /// <summary>Writes the type and the reserved zero bytes.</summary>
    public void SetType(byte type) => BinaryPrimitives.WriteUInt32LittleEndian(Bytes, type);
}

/// <summary>The initiator's first message. A view; its size is <see cref="RosenpassDialect.InitHelloSize"/>.</summary>
internal readonly ref struct InitHello(RosenpassDialect dialect, Span<byte> bytes)
{
    private readonly int _sctr = 4 + dialect.EphemeralKem.PublicKeySize;
    private readonly int _pidiCt = 4 + dialect.EphemeralKem.PublicKeySize + dialect.StaticKem.CiphertextSize;

    /// <summary>Type, MAC and cookie.</summary>
    public Envelope Envelope { get; } = new(bytes[..dialect.InitHelloSize]);

    /// <summary>The initiator's session id, 4 bytes.</summary>
    public Span<byte> Sidi => Envelope.Payload[..4];

    /// <summary>The initiator's ephemeral public key.</summary>
    public Span<byte> Epki => Envelope.Payload[4.._sctr];

    /// <summary>A ciphertext for the responder's static key.</summary>
    public Span<byte> Sctr => Envelope.Payload[_sctr.._pidiCt];

    /// <summary>The initiator's peer id, encrypted, 48 bytes.</summary>
    public Span<byte> PidiCt => Envelope.Payload.Slice(_pidiCt, 48);

    /// <summary>Nothing, encrypted: 16 bytes of tag.</summary>
    public Span<byte> Auth => Envelope.Payload[^16..];
}

/// <summary>The responder's answer. A view; its size is <see cref="RosenpassDialect.RespHelloSize"/>.</summary>
internal readonly ref struct RespHello(RosenpassDialect dialect, Span<byte> bytes)
{
    private readonly int _scti = 8 + dialect.EphemeralKem.CiphertextSize;
    private readonly int _auth = 8 + dialect.EphemeralKem.CiphertextSize + dialect.StaticKem.CiphertextSize;

    /// <summary>Type, MAC and cookie.</summary>
    public Envelope Envelope { get; } = new(bytes[..dialect.RespHelloSize]);

    /// <summary>The responder's session id, 4 bytes.</summary>
    public Span<byte> Sidr => Envelope.Payload[..4];

    /// <summary>The initiator's session id, 4 bytes.</summary>
    public Span<byte> Sidi => Envelope.Payload[4..8];

    /// <summary>A ciphertext for the initiator's ephemeral key.</summary>
    public Span<byte> Ecti => Envelope.Payload[8.._scti];

    /// <summary>A ciphertext for the initiator's static key.</summary>
    public Span<byte> Scti => Envelope.Payload[_scti.._auth];

    /// <summary>Nothing, encrypted: 16 bytes of tag. It is before the biscuit here, but covers it.</summary>
    public Span<byte> Auth => Envelope.Payload.Slice(_auth, 16);

    /// <summary>The responder's state, which only it can read, 116 bytes.</summary>
    public Span<byte> Biscuit => Envelope.Payload[^Rosenpass.Biscuit.CiphertextSize..];
}

/// <summary>The initiator's second message: a view of 176 bytes.</summary>
internal readonly ref struct InitConf(Span<byte> bytes)
{
    /// <summary>Length in bytes.</summary>
    public const int Size = Envelope.Overhead + 4 + 4 + Rosenpass.Biscuit.CiphertextSize + 16;

    /// <summary>Type, MAC and cookie.</summary>
    public Envelope Envelope { get; } = new(bytes[..Size]);

    /// <summary>The initiator's session id, 4 bytes.</summary>
    public Span<byte> Sidi => Envelope.Payload[..4];

    /// <summary>The responder's session id, 4 bytes.</summary>
    public Span<byte> Sidr => Envelope.Payload[4..8];

    /// <summary>What came with the <see cref="RespHello"/>, 116 bytes.</summary>
    public Span<byte> Biscuit => Envelope.Payload.Slice(8, Rosenpass.Biscuit.CiphertextSize);

    /// <summary>Nothing, encrypted: 16 bytes of tag.</summary>
    public Span<byte> Auth => Envelope.Payload[^16..];
}

/// <summary>The responder's confirmation, also called RespConf, after which the initiator is silent: a view of 64 bytes.</summary>
internal readonly ref struct EmptyData(Span<byte> bytes)
{
    /// <summary>Length in bytes.</summary>
    public const int Size = Envelope.Overhead + 4 + 8 + 16;

    /// <summary>Type, MAC and cookie.</summary>
    public Envelope Envelope { get; } = new(bytes[..Size]);

    /// <summary>The initiator's session id, 4 bytes.</summary>
    public Span<byte> Sid => Envelope.Payload[..4];

    /// <summary>The counter of the nonce.</summary>
    public ulong Ctr
    {
        get => BinaryPrimitives.ReadUInt64LittleEndian(Envelope.Payload[4..]);
        set => BinaryPrimitives.WriteUInt64LittleEndian(Envelope.Payload[4..], value);
    }

    /// <summary>Nothing, encrypted: 16 bytes of tag.</summary>
    public Span<byte> Auth => Envelope.Payload[^16..];

    /// <summary>Writes the nonce of <see cref="Auth"/>, 12 bytes: the counter first, other than in WireGuard.</summary>
    public void WriteNonce(Span<byte> nonce)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(nonce, Ctr);
        nonce[8..].Clear();
    }
}

/// <summary>
/// A responder's demand for a proof of the sender's address: a view of 64 bytes, behind which a datagram is padded to the size of an
/// <see cref="InitHello"/>. It has no MAC.
/// </summary>
internal readonly ref struct CookieReply(Span<byte> bytes)
{
    /// <summary>Length in bytes without padding.</summary>
    public const int Size = 64;

    private const int NonceSize = 24;

    /// <summary>The message without its padding.</summary>
    public Span<byte> Bytes { get; } = bytes[..Size];

    /// <summary>The session id of the <see cref="InitHello"/> that it answers, 4 bytes.</summary>
    public Span<byte> Sid => Bytes[4..8];

    /// <summary>The nonce of <see cref="CookieEncrypted"/>, 24 bytes.</summary>
    public Span<byte> Nonce => Bytes.Slice(8, NonceSize);

    /// <summary>The cookie, encrypted, 32 bytes.</summary>
    public Span<byte> CookieEncrypted => Bytes[(8 + NonceSize)..];

    /// <summary>Writes the type and the reserved zero bytes.</summary>
    public void SetType() => BinaryPrimitives.WriteUInt32LittleEndian(Bytes, MessageType.CookieReply);
}
