using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Kedge.Crypto.Kem.Kyber;

/// <summary>
/// K-PKE with the parameters of ML-KEM-512 (FIPS 203, section 5): public-key encryption of 32 bytes, deterministic given its seed. Constant
/// time as <see cref="Polynomial"/> and <see cref="PolynomialEncoding"/> are; secret polynomials lie on the stack and are zeroed.
/// </summary>
internal static class KyberEncryption
{
    /// <summary>Polynomials in a vector: k.</summary>
    public const int Rank = 2;

    /// <summary>Bytes of a ciphertext.</summary>
    public const int CiphertextSize = Rank * UBytes + VBytes;

    private const int N = Polynomial.Length;
    private const int Eta1 = 3, Eta2 = 2, UBits = 10, VBits = 4, UBytes = N * UBits / 8, VBytes = N * VBits / 8;

    /// <summary>Makes a pair of keys (algorithm 13).</summary>
    /// <param name="rho">The public seed, 32 bytes.</param>
    /// <param name="sigma">The secret seed, 32 bytes.</param>
    /// <param name="publicKey">Receives t and rho, 800 bytes.</param>
    /// <param name="secretKey">Receives s, 768 bytes.</param>
    public static void GenerateKeyPair(ReadOnlySpan<byte> rho, ReadOnlySpan<byte> sigma, Span<byte> publicKey, Span<byte> secretKey)
    {
        Span<short> s = stackalloc short[Rank * N], t = stackalloc short[N], e = stackalloc short[N];
        try
        {
            for (int i = 0; i < Rank; i++)
            {
                Sample(sigma, i, Eta1, s.Slice(i * N, N));
                Polynomial.Ntt(s.Slice(i * N, N));
                PolynomialEncoding.Encode(s.Slice(i * N, N), secretKey[(i * PolynomialEncoding.Size)..]);
            }
            for (int i = 0; i < Rank; i++)
            {
                MultiplyRow(rho, i, transposed: false, s, t);
                Polynomial.ToMontgomery(t);
                Sample(sigma, Rank + i, Eta1, e);
                Polynomial.Ntt(e);
                Polynomial.Add(e, t);
                PolynomialEncoding.Encode(t, publicKey[(i * PolynomialEncoding.Size)..]);
            }
            rho.CopyTo(publicKey[(Rank * PolynomialEncoding.Size)..]);
        }
        finally
        {
            Wipe(s);
            Wipe(t);
            Wipe(e);
        }
    }

    /// <summary>Encrypts (algorithm 14).</summary>
    /// <param name="publicKey">The key, 800 bytes.</param>
    /// <param name="message">What to encrypt, 32 bytes.</param>
    /// <param name="seed">r, 32 bytes.</param>
    /// <param name="ciphertext">Receives the ciphertext, 768 bytes.</param>
    public static void Encrypt(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> seed, Span<byte> ciphertext)
    {
        ReadOnlySpan<byte> rho = publicKey[(Rank * PolynomialEncoding.Size)..];
        Span<short> y = stackalloc short[Rank * N], sum = stackalloc short[N], addend = stackalloc short[N];
        try
        {
            for (int i = 0; i < Rank; i++)
            {
                Sample(seed, i, Eta1, y.Slice(i * N, N));
                Polynomial.Ntt(y.Slice(i * N, N));
            }
            for (int i = 0; i < Rank; i++)
            {
                MultiplyRow(rho, i, transposed: true, y, sum);
                Polynomial.InverseNtt(sum);
                Sample(seed, Rank + i, Eta2, addend);
                Polynomial.Add(addend, sum);
                PolynomialEncoding.Compress(sum, UBits, ciphertext[(i * UBytes)..]);
            }
            sum.Clear();
            for (int i = 0; i < Rank; i++)
            {
                PolynomialEncoding.Decode(publicKey[(i * PolynomialEncoding.Size)..], addend);
                Polynomial.MultiplyAdd(addend, y.Slice(i * N, N), sum);
            }
            Polynomial.InverseNtt(sum);
            Sample(seed, 2 * Rank, Eta2, addend);
            Polynomial.Add(addend, sum);
            PolynomialEncoding.Decompress(message, 1, addend);
            Polynomial.Add(addend, sum);
            PolynomialEncoding.Compress(sum, VBits, ciphertext[(Rank * UBytes)..]);
        }
        finally
        {
            Wipe(y);
            Wipe(sum);
            Wipe(addend);
        }
    }

    /// <summary>Decrypts (algorithm 15).</summary>
    /// <param name="secretKey">s, 768 bytes.</param>
    /// <param name="ciphertext">The ciphertext, 768 bytes.</param>
    /// <param name="message">Receives the message, 32 bytes.</param>
    public static void Decrypt(ReadOnlySpan<byte> secretKey, ReadOnlySpan<byte> ciphertext, Span<byte> message)
    {
        Span<short> sum = stackalloc short[N], u = stackalloc short[N], other = stackalloc short[N];
        try
        {
            sum.Clear();
            for (int i = 0; i < Rank; i++)
            {
                PolynomialEncoding.Decompress(ciphertext[(i * UBytes)..], UBits, u);
                Polynomial.Ntt(u);
                PolynomialEncoding.Decode(secretKey[(i * PolynomialEncoding.Size)..], other);
                Polynomial.MultiplyAdd(other, u, sum);
            }
            Polynomial.InverseNtt(sum);
            PolynomialEncoding.Decompress(ciphertext[(Rank * UBytes)..], VBits, other);
            Polynomial.SubtractFrom(other, sum);
            PolynomialEncoding.Compress(sum, 1, message);
        }
        finally
        {
            Wipe(sum);
            Wipe(u);
            Wipe(other);
        }
    }

    /// <summary>Whether all coefficients of a public key's vector are below q. Public keys are public: it may stop early.</summary>
    public static bool IsReduced(ReadOnlySpan<byte> vector)
    {
        Span<short> polynomial = stackalloc short[N];
        for (; !vector.IsEmpty; vector = vector[PolynomialEncoding.Size..])
        {
            PolynomialEncoding.Decode(vector, polynomial);
            foreach (short coefficient in polynomial)
            {
                if (coefficient >= Polynomial.Q)
                    return false;
            }
        }
        return true;
    }

    // A row of the matrix, or of its transpose, times a vector.
    private static void MultiplyRow(ReadOnlySpan<byte> rho, int row, bool transposed, ReadOnlySpan<short> vector, Span<short> sum)
    {
        Span<short> entry = stackalloc short[N];
        Span<byte> seed = stackalloc byte[34];
        rho.CopyTo(seed);
        sum.Clear();
        for (int column = 0; column < Rank; column++)
        {
            seed[32] = (byte)(transposed ? row : column);
            seed[33] = (byte)(transposed ? column : row);
            PolynomialEncoding.SampleUniform(seed, entry);
            Polynomial.MultiplyAdd(entry, vector.Slice(column * N, N), sum);
        }
    }

    private static void Sample(ReadOnlySpan<byte> seed, int nonce, int eta, Span<short> polynomial)
    {
        Span<byte> bytes = stackalloc byte[64 * Eta1];
        bytes = bytes[..(64 * eta)];
        try
        {
            Sha3.Shake256(seed, [(byte)nonce], bytes);
            PolynomialEncoding.SampleBinomial(bytes, eta, polynomial);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    private static void Wipe(Span<short> polynomial) => CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(polynomial));
}
