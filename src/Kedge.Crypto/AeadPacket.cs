namespace Kedge.Crypto;

/// <summary>
/// One packet's place in a batch for <see cref="ChaCha20Poly1305"/>. A plain mutable value, kept in arrays that are used again and again;
/// the arrays it names stay the caller's. Source and destination either begin at the same byte or do not overlap.
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
}
