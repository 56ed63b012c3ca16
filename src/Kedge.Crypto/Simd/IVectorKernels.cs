namespace Kedge.Crypto.Simd;

/// <summary>
/// ChaCha20 and Poly1305 with vectors of one width. The kernels' time depends on lengths alone: they neither branch on nor index by
/// anything secret.
/// </summary>
internal unsafe interface IVectorKernels
{
    /// <summary>How many blocks of keystream one call gives.</summary>
    static abstract int Blocks { get; }

    /// <summary>How many messages Poly1305 works on at once.</summary>
    static abstract int Lanes { get; }

    /// <summary>Writes blocks of ChaCha20's keystream (RFC 8439, section 2.3), 64 bytes each, in the order of their numbers.</summary>
    /// <param name="key">The key's 8 words.</param>
    /// <param name="numbers">Which blocks.</param>
    /// <param name="count">How many are wanted, from 1 to <see cref="Blocks"/>. More may be written, up to <see cref="Blocks"/>.</param>
    /// <param name="keystream">Room for <see cref="Blocks"/> blocks, at a multiple of 64.</param>
    static abstract void Keystream(uint* key, BlockNumbers* numbers, int count, byte* keystream);

    /// <summary>Writes to <paramref name="destination"/>, which may be the source, what keystream makes of the source.</summary>
    static abstract void Xor(byte* source, byte* keystream, byte* destination, int length);

    /// <summary>Computes the tags of <see cref="Lanes"/> messages.</summary>
    static abstract void Authenticate(Poly1305Lanes* lanes);

    /// <summary>Takes whole blocks, at least one, as the first of a message that has all lanes for itself.</summary>
    static abstract void Absorb(Poly1305Accumulator* accumulator, byte* blocks, int count);
}
