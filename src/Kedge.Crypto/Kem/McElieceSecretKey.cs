using System.Buffers.Binary;
using Kedge.Crypto.Kem.McEliece;

namespace Kedge.Crypto.Kem;

/// <summary>
/// The two layouts of secret keys of Classic McEliece 460896. That of the specification (section 2.8): seed 32, pivot columns c 8, Goppa
/// polynomial 192, control bits 12800, s 576 bytes. That of round 2, which released versions of Rosenpass keep in files: s, Goppa
/// polynomial, control bits. Keys are the same but for the seed, which decapsulation does without.
/// </summary>
public static class McElieceSecretKey
{
    /// <summary>Bytes of the specification's layout, which <see cref="Kems"/> use.</summary>
    public const int Size = SeedSize + ColumnsSize + Parameters.GoppaSize + Parameters.ControlBitsSize + Parameters.VectorSize;

    /// <summary>Bytes of round 2's layout.</summary>
    public const int ShortSize = Parameters.VectorSize + Parameters.GoppaSize + Parameters.ControlBitsSize;

    private const int SeedSize = 32, ColumnsSize = 8;
    private const int GoppaStart = SeedSize + ColumnsSize, ControlBitsStart = GoppaStart + Parameters.GoppaSize;

    /// <summary>Converts to round 2's layout; the seed is lost.</summary>
    /// <param name="secretKey">The key, <see cref="Size"/> bytes.</param>
    /// <param name="shortKey">Receives it, <see cref="ShortSize"/> bytes.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    public static void ToShort(ReadOnlySpan<byte> secretKey, Span<byte> shortKey)
    {
        Argument.RequireLength(secretKey, Size);
        Argument.RequireLength(shortKey, ShortSize);
        secretKey[^Parameters.VectorSize..].CopyTo(shortKey);
        secretKey[GoppaStart..^Parameters.VectorSize].CopyTo(shortKey[Parameters.VectorSize..]);
    }

    /// <summary>Converts from round 2's layout; the seed becomes zeros.</summary>
    /// <param name="shortKey">The key, <see cref="ShortSize"/> bytes.</param>
    /// <param name="secretKey">Receives it, <see cref="Size"/> bytes.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    public static void FromShort(ReadOnlySpan<byte> shortKey, Span<byte> secretKey)
    {
        Argument.RequireLength(shortKey, ShortSize);
        Argument.RequireLength(secretKey, Size);
        secretKey[..SeedSize].Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(secretKey[SeedSize..], uint.MaxValue);
        shortKey[Parameters.VectorSize..].CopyTo(secretKey[GoppaStart..]);
        shortKey[..Parameters.VectorSize].CopyTo(secretKey[^Parameters.VectorSize..]);
    }

    /// <summary>The Goppa polynomial of a key in the specification's layout.</summary>
    internal static ReadOnlySpan<byte> Goppa(ReadOnlySpan<byte> secretKey) => secretKey.Slice(GoppaStart, Parameters.GoppaSize);

    /// <summary>The control bits of a key in the specification's layout.</summary>
    internal static ReadOnlySpan<byte> ControlBits(ReadOnlySpan<byte> secretKey) =>
        secretKey.Slice(ControlBitsStart, Parameters.ControlBitsSize);

    /// <summary>s of a key in the specification's layout.</summary>
    internal static ReadOnlySpan<byte> Rejection(ReadOnlySpan<byte> secretKey) => secretKey[^Parameters.VectorSize..];

    /// <summary>The parts of a key in the specification's layout, for writing.</summary>
    internal static Parts Split(Span<byte> secretKey) => new()
    {
        Seed = secretKey[..SeedSize],
        Columns = secretKey.Slice(SeedSize, ColumnsSize),
        Goppa = secretKey.Slice(GoppaStart, Parameters.GoppaSize),
        ControlBits = secretKey.Slice(ControlBitsStart, Parameters.ControlBitsSize),
        Rejection = secretKey[^Parameters.VectorSize..],
    };

    /// <summary>Parts of a secret key, by place.</summary>
    internal ref struct Parts
    {
        /// <summary>delta, of which the key was made.</summary>
        public Span<byte> Seed;

        /// <summary>c, the columns of the pivots; here always those of the identity.</summary>
        public Span<byte> Columns;

        /// <summary>g, the Goppa polynomial.</summary>
        public Span<byte> Goppa;

        /// <summary>alpha, the support, as control bits.</summary>
        public Span<byte> ControlBits;

        /// <summary>s, what a bad ciphertext is hashed with.</summary>
        public Span<byte> Rejection;
    }
}
