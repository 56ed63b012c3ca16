namespace Kedge.Crypto.Kem.Kyber;

/// <summary>
/// Polynomials as bytes (FIPS 203, section 4.2). Coefficients may be secret: compression multiplies and shifts instead of dividing, and
/// samples are counted by bit arithmetic. Only the matrix, which is public, is sampled by rejection.
/// </summary>
internal static class PolynomialEncoding
{
    /// <summary>Bytes of a polynomial with all twelve bits of each coefficient.</summary>
    public const int Size = Polynomial.Length * 12 / 8;

    /// <summary>Coefficients from 0 to q - 1, twelve bits each (ByteEncode, d = 12).</summary>
    public static void Encode(ReadOnlySpan<short> polynomial, Span<byte> bytes)
    {
        for (int i = 0, o = 0; i < Polynomial.Length; i += 2, o += 3)
        {
            int a = Polynomial.Canonical(polynomial[i]), b = Polynomial.Canonical(polynomial[i + 1]);
            bytes[o] = (byte)a;
            bytes[o + 1] = (byte)((a >> 8) | (b << 4));
            bytes[o + 2] = (byte)(b >> 4);
        }
    }

    /// <summary>The inverse of <see cref="Encode"/>; values of q and more, which only bad keys have, are taken as they are.</summary>
    public static void Decode(ReadOnlySpan<byte> bytes, Span<short> polynomial)
    {
        for (int i = 0, o = 0; i < Polynomial.Length; i += 2, o += 3)
        {
            polynomial[i] = (short)(bytes[o] | ((bytes[o + 1] & 0x0f) << 8));
            polynomial[i + 1] = (short)((bytes[o + 1] >> 4) | (bytes[o + 2] << 4));
        }
    }

    /// <summary>Compresses to the given bits a coefficient and encodes them (Compress and ByteEncode).</summary>
    /// <param name="polynomial">Coefficients above -q and below q.</param>
    /// <param name="bits">1, 4 or 10.</param>
    /// <param name="bytes">Receives 32 bytes times the bits.</param>
    public static void Compress(ReadOnlySpan<short> polynomial, int bits, Span<byte> bytes)
    {
        // floor(2^34 / q) + 1: exact for every dividend below 2^23, which q 2^10 is.
        const ulong Reciprocal = (1UL << 34) / Polynomial.Q + 1;
        uint buffer = 0;
        int filled = 0, o = 0;
        foreach (short coefficient in polynomial)
        {
            ulong dividend = ((ulong)Polynomial.Canonical(coefficient) << bits) + (Polynomial.Q / 2);
            buffer |= ((uint)(dividend * Reciprocal >> 34) & ((1u << bits) - 1)) << filled;
            for (filled += bits; filled >= 8; filled -= 8, buffer >>= 8)
                bytes[o++] = (byte)buffer;
        }
    }

    /// <summary>The inverse of <see cref="Compress"/>, as far as there is one.</summary>
    public static void Decompress(ReadOnlySpan<byte> bytes, int bits, Span<short> polynomial)
    {
        uint buffer = 0;
        int filled = 0, o = 0;
        foreach (ref short coefficient in polynomial)
        {
            for (; filled < bits; filled += 8)
                buffer |= (uint)bytes[o++] << filled;
            uint value = buffer & ((1u << bits) - 1);
            coefficient = (short)(((value * Polynomial.Q) + (1u << (bits - 1))) >> bits);
            buffer >>= bits;
            filled -= bits;
        }
    }

    /// <summary>Samples from the centred binomial distribution (SamplePolyCBD).</summary>
    /// <param name="bytes">64 random bytes times <paramref name="eta"/>.</param>
    /// <param name="eta">2 or 3: coefficients are from -eta to eta.</param>
    /// <param name="polynomial">Receives the sample.</param>
    public static void SampleBinomial(ReadOnlySpan<byte> bytes, int eta, Span<short> polynomial)
    {
        uint buffer = 0;
        int filled = 0, o = 0;
        foreach (ref short coefficient in polynomial)
        {
            for (; filled < 2 * eta; filled += 8)
                buffer |= (uint)bytes[o++] << filled;
            int sum = 0;
            for (int bit = 0; bit < eta; bit++)
                sum += (int)(buffer >> bit & 1) - (int)(buffer >> (bit + eta) & 1);
            coefficient = (short)sum;
            buffer >>= 2 * eta;
            filled -= 2 * eta;
        }
    }

    /// <summary>Samples a transformed polynomial of the public matrix (SampleNTT).</summary>
    /// <param name="seed">rho, followed by the column and the row.</param>
    /// <param name="polynomial">Receives the sample.</param>
    public static void SampleUniform(ReadOnlySpan<byte> seed, Span<short> polynomial)
    {
        // Four blocks hold 448 candidates, of which 364 are below q in the mean, with a deviation of 8.
        const int BlockSize = 168;
        Span<byte> stream = stackalloc byte[4 * BlockSize];
        for (int used = stream.Length, filled = 0; filled < Polynomial.Length; used += 3)
        {
            if (used == stream.Length)
            {
                if (filled > 0)
                    stream = new byte[2 * stream.Length];
                else
                    used = 0;
                Sha3.Shake128(seed, stream);
            }
            int first = stream[used] | ((stream[used + 1] & 0x0f) << 8), second = (stream[used + 1] >> 4) | (stream[used + 2] << 4);
            if (first < Polynomial.Q)
                polynomial[filled++] = (short)first;
            if (second < Polynomial.Q && filled < Polynomial.Length)
                polynomial[filled++] = (short)second;
        }
    }
}
