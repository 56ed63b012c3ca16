namespace Kedge.Crypto;

/// <summary>
/// Seals and opens batches of packets under one key that its owner keeps: the machine's libcrypto, or vectors of this project's own. Any
/// thread may call at any time but <see cref="IDisposable.Dispose"/>, which comes after the last call.
/// </summary>
internal interface IPacketAead : IDisposable
{
    /// <summary>Seals each packet.</summary>
    /// <exception cref="ArgumentException">
    /// A packet lies outside its arrays, or overlaps its result without beginning at the same byte. The packets before it are done.
    /// </exception>
    void Seal(Span<AeadPacket> packets);

    /// <summary>Opens each packet and says in it whether it is authentic; the destination of one that is not is zeroed.</summary>
    /// <inheritdoc cref="Seal(Span{AeadPacket})"/>
    void Open(Span<AeadPacket> packets);
}
