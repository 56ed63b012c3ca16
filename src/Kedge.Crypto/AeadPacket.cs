namespace Kedge.Crypto;

/// <summary>
/// One packet's place in a batch for <see cref="ChaCha20Poly1305"/>. A plain mutable value, kept in arrays that are used again and again;
/// the arrays it names stay the caller's, who leaves them and it alone while the batch is worked on. Source and destination either begin
/// at the same byte or do not overlap; what one packet writes is not what another of its batch reads.
/// </summary>
public struct AeadPacket
{
    /// <summary>Where the packet is read from.</summary>
    public byte[] Source { get; set; }

    /// <summary>The first byte of the packet in <see cref="Source"/>.</summary>
    public int SourceOffset { get; set; }

    /// <summary>Where the result is written to.</summary>
    public byte[] Destination { get; set; }

    /// <summary>The first byte of the result in <see cref="Destination"/>.</summary>
    public int DestinationOffset { get; set; }

    /// <summary>Bytes of plaintext, without the tag, for sealing and for opening; 0 is a packet too.</summary>
    public int Length { get; set; }

    /// <summary>The packet's counter. The nonce is four zero bytes and the counter in little-endian order.</summary>
    public ulong Counter { get; set; }

    /// <summary>Set by opening: whether the tag was right. Where it is false the destination is not to be used.</summary>
    public bool Authentic { get; set; }

    /// <summary>
    /// Whether the packet and its result lie within their arrays, and begin at the same byte if they overlap at all. When
    /// <paramref name="sealing"/> the tag is behind the result, otherwise behind the packet.
    /// </summary>
    internal readonly bool IsSound(bool sealing)
    {
        // In 64 bits: a length with its tag, and an offset with that, may be more than 32 hold.
        long read = Length + (sealing ? 0L : ChaCha20Poly1305.TagSize), written = Length + (sealing ? ChaCha20Poly1305.TagSize : 0L);
        if (Length < 0 || !IsWithin(Source, SourceOffset, read) || !IsWithin(Destination, DestinationOffset, written))
            return false;
        if (Source != Destination || SourceOffset == DestinationOffset)
            return true;
        return Math.Max(SourceOffset, DestinationOffset) >= Math.Min(SourceOffset + read, DestinationOffset + written);
    }

    /// <summary>Throws where <see cref="IsSound"/> says no.</summary>
    /// <exception cref="ArgumentException">The packet is not sound.</exception>
    internal readonly void RequireSound(bool sealing)
    {
        if (!IsSound(sealing))
        {
            throw new ArgumentException(
                "A packet and its result lie within their arrays, and either begin at the same byte or do not overlap.");
        }
    }

    private static bool IsWithin(byte[]? array, int offset, long length) => offset >= 0 && offset + length <= (array?.Length ?? 0);
}
