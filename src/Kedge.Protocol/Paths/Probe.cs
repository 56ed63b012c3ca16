using System.Buffers.Binary;
using Kedge.Crypto;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <summary>
/// A probe of a path: a ping, or the pong that answers it. On the wire, 84 bytes, behind which a ping may have padding:
/// <code>
/// type(1) 0(3) locator(8) nonce(24) XChaCha20-Poly1305{ id(8) length(2) endpoint(18) flags(2) path(2) } padding
/// </code>
/// Integers are little-endian, the endpoint is an IPv6 or IPv4-mapped address and a big-endian port; the twelve bytes in front of the nonce
/// are authenticated. Flag 1 says that the sender answers pings of any length and puts fragments (<see cref="FragmentFrame"/>) together.
/// What is not used yet is zero when sent and ignored when received.
/// </summary>
/// <param name="IsPong">Whether it answers a ping.</param>
/// <param name="Id">Chosen by the sender of the ping; a pong has that of its ping.</param>
/// <param name="Length">Bytes of the ping's whole datagram, as sent or, in a pong, as received.</param>
/// <param name="Endpoint">In a pong, where the ping came from; none in a ping.</param>
public readonly record struct Probe(bool IsPong, ulong Id, ushort Length, Endpoint Endpoint)
{
    /// <summary>
    /// Whether the sender answers pings of any length, and takes <see cref="FragmentFrame"/>s. One that does not is not told what a path
    /// carries.
    /// </summary>
    public bool TakesFragments { get; init; } = true;

    /// <summary>Bytes of a probe without padding.</summary>
    public const int Size = NonceOffset + XChaCha20Poly1305.NonceSize + PlaintextSize + XChaCha20Poly1305.TagSize;

    private const int LocatorOffset = 4;
    private const int NonceOffset = 12;
    private const int CiphertextOffset = NonceOffset + XChaCha20Poly1305.NonceSize;
    private const int PlaintextSize = 32;
    private const int FlagsOffset = 28;
    private const ushort TakesFragmentsFlag = 1;

    /// <summary>The locator of a datagram that is a probe by its looks.</summary>
    public static ulong LocatorOf(ReadOnlySpan<byte> datagram) => BinaryPrimitives.ReadUInt64LittleEndian(datagram[LocatorOffset..]);

    /// <summary>Writes and seals it.</summary>
    /// <param name="keys">The keys for the peer.</param>
    /// <param name="random">Bytes that nobody can predict.</param>
    /// <param name="datagram">Receives <see cref="Size"/> bytes.</param>
    public void Write(ProbeKeys keys, RandomBytes random, Span<byte> datagram)
    {
        datagram = datagram[..Size];
        BinaryPrimitives.WriteUInt32LittleEndian(datagram, IsPong ? Datagram.Pong : Datagram.Ping);
        BinaryPrimitives.WriteUInt64LittleEndian(datagram[LocatorOffset..], keys.SendLocator);
        Span<byte> nonce = datagram[NonceOffset..CiphertextOffset];
        random(nonce);
        Span<byte> plaintext = stackalloc byte[PlaintextSize];
        plaintext.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(plaintext, Id);
        BinaryPrimitives.WriteUInt16LittleEndian(plaintext[8..], Length);
        if (!Endpoint.IsNone)
        {
            WriteMapped(Endpoint.Address, plaintext[10..26]);
            BinaryPrimitives.WriteUInt16BigEndian(plaintext[26..], Endpoint.Port);
        }
        BinaryPrimitives.WriteUInt16LittleEndian(plaintext[FlagsOffset..], TakesFragments ? TakesFragmentsFlag : (ushort)0);
        XChaCha20Poly1305.Seal(keys.Send, nonce, datagram[..NonceOffset], plaintext, datagram[CiphertextOffset..]);
    }

    /// <summary>Opens and reads a datagram that is a probe by its looks.</summary>
    /// <param name="keys">The keys for the peer whose locator it bears.</param>
    /// <param name="datagram">The datagram, at least <see cref="Size"/> bytes; what is behind these is padding.</param>
    /// <param name="probe">The probe.</param>
    /// <returns>Whether it is authentic.</returns>
    public static bool TryRead(ProbeKeys keys, ReadOnlySpan<byte> datagram, out Probe probe)
    {
        probe = default;
        Span<byte> plaintext = stackalloc byte[PlaintextSize];
        if (!XChaCha20Poly1305.TryOpen(
            keys.Receive, datagram[NonceOffset..CiphertextOffset], datagram[..NonceOffset], datagram[CiphertextOffset..Size], plaintext))
        {
            return false;
        }
        ushort port = BinaryPrimitives.ReadUInt16BigEndian(plaintext[26..]);
        probe = new Probe(
            datagram[0] == Datagram.Pong,
            BinaryPrimitives.ReadUInt64LittleEndian(plaintext),
            BinaryPrimitives.ReadUInt16LittleEndian(plaintext[8..]),
            port == 0 ? default : new Endpoint(IpAddress.FromBytes(plaintext[10..26]).Unmapped(), port))
        {
            TakesFragments = (BinaryPrimitives.ReadUInt16LittleEndian(plaintext[FlagsOffset..]) & TakesFragmentsFlag) != 0,
        };
        return true;
    }

    // RFC 4291 section 2.5.5.2
    private static void WriteMapped(IpAddress address, Span<byte> bytes)
    {
        if (address.IsIPv4)
            bytes[10] = bytes[11] = 0xFF;
        address.CopyTo(address.IsIPv4 ? bytes[12..] : bytes);
    }
}
