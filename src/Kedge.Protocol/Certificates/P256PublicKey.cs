using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using System.Threading;

namespace Kedge.Protocol.Certificates;

/// <summary>
/// The public half of an ECDSA P-256 key: a node's identity, an authority's, a server's. Always a point of the curve. Immutable, so any
/// number of threads may use it.
/// </summary>
public sealed class P256PublicKey : IEquatable<P256PublicKey>
{
    /// <summary>Length of the SubjectPublicKeyInfo in bytes: there is one form only, the point uncompressed (RFC 5480 section 2).</summary>
    public const int Size = 91;

    private const int CoordinateSize = 32;
    private const int KeyIdentifierSize = 20;

    private static readonly BigInteger P = Hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"); // FIPS 186-4 section D.1.2.3
    private static readonly BigInteger B = Hex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b");

    private readonly byte[] _subjectPublicKeyInfo;
    private ECDsa? _verifier; // whoever uses it takes it out; the collector frees the one that is left

    private P256PublicKey(byte[] subjectPublicKeyInfo)
    {
        _subjectPublicKeyInfo = subjectPublicKeyInfo;
        Hash = Sha256Digest.Of(subjectPublicKeyInfo);
    }

    // SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING { 4, x, y } } up to the coordinates.
    private static ReadOnlySpan<byte> Header =>
    [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01,
        0x07, 0x03, 0x42, 0x00, 0x04,
    ];

    /// <summary>The SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), DER, <see cref="Size"/> bytes.</summary>
    public ReadOnlySpan<byte> SubjectPublicKeyInfo => _subjectPublicKeyInfo;

    /// <summary>
    /// The SHA-256 of <see cref="SubjectPublicKeyInfo"/>: of a master key, the network's identifier; of a server authority's, the pin in a
    /// join line; of a node's, its identity at the controller.
    /// </summary>
    public Sha256Digest Hash { get; }

    /// <summary>The first 20 bytes of <see cref="Hash"/>, in lower-case hexadecimal: the key identifier that Kedge writes (RFC 7093 section 2).</summary>
    public string KeyIdentifier => Convert.ToHexStringLower(Hash.ToArray().AsSpan(0, KeyIdentifierSize));

    /// <summary>Reads a SubjectPublicKeyInfo.</summary>
    /// <returns>False when it is not exactly the DER form of a P-256 key, or no point of the curve.</returns>
    public static bool TryParse(ReadOnlySpan<byte> subjectPublicKeyInfo, [NotNullWhen(true)] out P256PublicKey? key)
    {
        bool valid = subjectPublicKeyInfo.Length == Size
            && subjectPublicKeyInfo.StartsWith(Header)
            && IsOnCurve(subjectPublicKeyInfo[Header.Length..]);
        key = valid ? new(subjectPublicKeyInfo.ToArray()) : null;
        return valid;
    }

    /// <summary>The public half of <paramref name="key"/>.</summary>
    /// <exception cref="ArgumentException">It is not a P-256 key.</exception>
    public static P256PublicKey Of(ECDsa key) =>
        TryParse(key.ExportSubjectPublicKeyInfo(), out P256PublicKey? publicKey)
            ? publicKey
            : throw new ArgumentException("The key is not an ECDSA P-256 key.", nameof(key));

    /// <summary>Whether <paramref name="signature"/> is this key's ECDSA signature of a SHA-256 hash.</summary>
    /// <param name="hash">The hash, 32 bytes.</param>
    /// <param name="signature">The signature, DER (RFC 3279 section 2.2.3); whatever is no such thing is not a signature.</param>
    public bool IsSignatureOf(ReadOnlySpan<byte> hash, ReadOnlySpan<byte> signature)
    {
        Span<byte> numbers = stackalloc byte[EcdsaSignature.Size];
        return EcdsaSignature.TryReadDer(signature, numbers) && IsSignature(hash, numbers);
    }

    // The signature as its two numbers, r and s, each of 32 bytes.
    internal bool IsSignature(ReadOnlySpan<byte> hash, ReadOnlySpan<byte> numbers)
    {
        // The library's key objects belong to one thread at a time, and making one costs more than using it: it checks the key anew.
        ECDsa verifier = Interlocked.Exchange(ref _verifier, null) ?? CreateVerifier();
        bool isValid = verifier.VerifyHash(hash, numbers, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        Interlocked.Exchange(ref _verifier, verifier)?.Dispose();
        return isValid;
    }

    /// <inheritdoc/>
    public bool Equals(P256PublicKey? other) => other is not null && Hash == other.Hash;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as P256PublicKey);

    /// <inheritdoc/>
    public override int GetHashCode() => Hash.GetHashCode();

    /// <summary>The SubjectPublicKeyInfo in base64.</summary>
    public override string ToString() => Convert.ToBase64String(_subjectPublicKeyInfo);

    // y^2 = x^3 - 3x + b (mod p). The library would throw on another point, at a time when nobody expects it any more.
    private static bool IsOnCurve(ReadOnlySpan<byte> point)
    {
        var x = new BigInteger(point[..CoordinateSize], isUnsigned: true, isBigEndian: true);
        var y = new BigInteger(point[CoordinateSize..], isUnsigned: true, isBigEndian: true);
        return x < P && y < P && (((x * x * x) - (3 * x) + B - (y * y)) % P).IsZero;
    }

    private ECDsa CreateVerifier()
    {
        ReadOnlySpan<byte> point = _subjectPublicKeyInfo.AsSpan(Header.Length);
        return ECDsa.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q = new ECPoint { X = point[..CoordinateSize].ToArray(), Y = point[CoordinateSize..].ToArray() },
        });
    }

    private static BigInteger Hex(string digits) => BigInteger.Parse("0" + digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
