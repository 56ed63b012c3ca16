using System.Buffers.Binary;
using Kedge.Protocol.Noise;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Knock;

/// <summary>
/// What the messages of a knock look like. Integers are little-endian, and what has no name is zero:
/// <code>
/// Initiation    F1 01 00 00  sender(4)    0(8)          e(32)         AEAD{ TAI64N(12) flags(4) 0(1104) }(1136)  mac2(16)
/// Response      F2 01 00 00  sender(4)    receiver(4)   0(4)  e(32)   s(48)  AEAD{ certificate }
/// Confirmation  F3 01 00 00  sender(4)    receiver(4)   0(4)  s(48)   AEAD{ certificate }                        mac2(16)
/// Cookie        F4 00 00 00  receiver(4)  nonce(24)     XChaCha20-Poly1305{ cookie(16) }(32)
/// Part          F8 00 00 00  receiver(4)  counter(8)    AEAD{ offset(2) 0(6) bytes }
/// Result        F9 00 00 00  receiver(4)  counter(8)    AEAD{ reason(1) certificate's refusal + 1(1) 0(2) clock(4) }
/// </code>
/// The first three are those of Noise_XXpsk0 with the prologue "kedge knock 1"; the 16 bytes in front of each are its associated data. A
/// certificate is total length(2), time(6), and its first bytes, at most 1,080; the time is in seconds since 1970. A cookie's associated
/// data is the tag in front of mac2 of the message that it answers, which is what mac2 is the MAC of, with all before it. The nonce of a
/// part or result is its counter, which only grows; its associated data is its header.
/// </summary>
internal static class KnockMessage
{
    /// <summary>The largest message in bytes, so that none is fragmented anywhere; and how long an initiation is.</summary>
    public const int MaximumSize = 1200;

    /// <summary>Bytes in front of what is encrypted, but for a cookie.</summary>
    public const int HeaderSize = 16;

    /// <summary>Bytes of the MAC at the end of an initiation and a confirmation.</summary>
    public const int MacSize = HandshakeMacs.Size;

    /// <summary>Bytes of a cookie message.</summary>
    public const int CookieSize = 64;

    /// <summary>Bytes in front of a certificate in a response or confirmation: its length and the time.</summary>
    public const int CertificateHeaderSize = 8;

    /// <summary>How much of a certificate goes along with a response or confirmation, in bytes.</summary>
    public const int MaximumCertificateStart = MaximumSize - HeaderSize - XXMessage.SecondOverhead - CertificateHeaderSize;

    /// <summary>Bytes of the payload of an initiation.</summary>
    public const int InitiationPayloadSize = MaximumSize - HeaderSize - XXMessage.FirstOverhead - MacSize;

    /// <summary>Bytes in front of the content of a part: its offset.</summary>
    public const int PartHeaderSize = 8;

    /// <summary>The most bytes of a certificate in one part.</summary>
    public const int MaximumPart = MaximumSize - HeaderSize - SymmetricState.TagSize - PartHeaderSize;

    /// <summary>Bytes of a result's plaintext.</summary>
    public const int ResultSize = 8;

    private const byte Version = 1;
    private const int TimeSize = 6;

    /// <summary>The header of a message of the handshake.</summary>
    /// <param name="message">Receives 16 bytes.</param>
    /// <param name="type">The first byte.</param>
    /// <param name="sender">The index by which its sender wants to be addressed.</param>
    /// <param name="receiver">The receiver's index; 0 in an initiation.</param>
    public static void WriteHandshakeHeader(Span<byte> message, byte type, uint sender, uint receiver)
    {
        message[..HeaderSize].Clear();
        (message[0], message[1]) = (type, Version);
        BinaryPrimitives.WriteUInt32LittleEndian(message[4..], sender);
        BinaryPrimitives.WriteUInt32LittleEndian(message[8..], receiver);
    }

    /// <summary>The header of another message.</summary>
    /// <param name="message">Receives 8 bytes.</param>
    /// <param name="type">The first byte.</param>
    /// <param name="receiver">The receiver's index.</param>
    public static void WriteHeader(Span<byte> message, byte type, uint receiver)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(message, type);
        BinaryPrimitives.WriteUInt32LittleEndian(message[4..], receiver);
    }

    /// <summary>The sender's index in a message of the handshake.</summary>
    public static uint SenderOf(ReadOnlySpan<byte> message) => BinaryPrimitives.ReadUInt32LittleEndian(message[4..]);

    /// <summary>The receiver's index in any message but an initiation.</summary>
    public static uint ReceiverOf(ReadOnlySpan<byte> message) =>
        BinaryPrimitives.ReadUInt32LittleEndian(message[(message[0] is Datagram.KnockResponse or Datagram.KnockConfirmation ? 8 : 4)..]);

    /// <summary>The header, which is a message's associated data.</summary>
    public static ReadOnlySpan<byte> HeaderOf(ReadOnlySpan<byte> message) => message[..HeaderSize];

    /// <summary>The MAC at the end of an initiation or confirmation.</summary>
    public static Span<byte> MacOf(Span<byte> message) => message[^MacSize..];

    /// <summary>What the MAC at the end of an initiation or confirmation covers.</summary>
    public static Span<byte> CoveredByMac(Span<byte> message) => message[..^MacSize];

    /// <summary>The tag in front of the MAC, by which a cookie names the message that it answers.</summary>
    public static Span<byte> TagOf(Span<byte> message) => message[^(MacSize + SymmetricState.TagSize)..^MacSize];

    /// <summary>Writes the payload of an initiation.</summary>
    public static void WriteInitiationPayload(Span<byte> payload, DateTimeOffset time)
    {
        payload.Clear();
        Tai64N.From(time).CopyTo(payload);
    }

    /// <summary>The sender's time in the payload of an initiation, in seconds since 1970.</summary>
    public static long ReadInitiationTime(ReadOnlySpan<byte> payload) =>
        unchecked((long)(Tai64N.Read(payload).Seconds - Tai64N.From(DateTimeOffset.UnixEpoch).Seconds));

    /// <summary>How much of a certificate goes along with a response or confirmation.</summary>
    public static int StartLength(int certificateLength) => Math.Min(certificateLength, MaximumCertificateStart);

    /// <summary>Writes the payload of a response or confirmation.</summary>
    /// <param name="payload">Receives 8 bytes more than <see cref="StartLength"/> says.</param>
    /// <param name="certificate">The whole certificate.</param>
    /// <param name="time">The time.</param>
    public static void WriteCertificateStart(Span<byte> payload, ReadOnlySpan<byte> certificate, DateTimeOffset time)
    {
        Span<byte> header = stackalloc byte[sizeof(ushort) + sizeof(long)];
        BinaryPrimitives.WriteUInt16LittleEndian(header, (ushort)certificate.Length);
        BinaryPrimitives.WriteInt64LittleEndian(header[sizeof(ushort)..], Math.Max(time.ToUnixTimeSeconds(), 0));
        header[..CertificateHeaderSize].CopyTo(payload);
        certificate[..StartLength(certificate.Length)].CopyTo(payload[CertificateHeaderSize..]);
    }

    /// <summary>The length of the whole certificate in the payload of a response or confirmation.</summary>
    public static int ReadCertificateLength(ReadOnlySpan<byte> payload) => BinaryPrimitives.ReadUInt16LittleEndian(payload);

    /// <summary>The sender's time in the payload of a response or confirmation, in seconds since 1970.</summary>
    public static long ReadTime(ReadOnlySpan<byte> payload)
    {
        Span<byte> time = stackalloc byte[sizeof(long)];
        time.Clear();
        payload.Slice(sizeof(ushort), TimeSize).CopyTo(time);
        return BinaryPrimitives.ReadInt64LittleEndian(time);
    }

    /// <summary>How far a peer's clock is ahead of this one, to the second and within 68 years.</summary>
    /// <param name="peer">The peer's time in seconds since 1970, whatever it is.</param>
    /// <param name="own">This node's time.</param>
    public static TimeSpan ClockDifference(long peer, DateTimeOffset own) =>
        TimeSpan.FromSeconds((long)Int128.Clamp((Int128)peer - own.ToUnixTimeSeconds(), int.MinValue, int.MaxValue));
}
