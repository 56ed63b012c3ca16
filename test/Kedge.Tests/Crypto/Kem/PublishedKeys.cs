using System.Collections.Concurrent;
using System.Security.Cryptography;
using Kedge.Crypto.Kem.McEliece;

namespace Kedge.Tests.Crypto.Kem;

/// <summary>
/// Key pairs of the vectors of Classic McEliece 460896. A public key has half a megabyte: it is made from its seed, once, and has to have
/// the published hash.
/// </summary>
internal static class PublishedKeys
{
    private static readonly ConcurrentDictionary<(string, int), byte[]> PublicKeys = [];

    /// <summary>The public key, 524,160 bytes. The caller may not change it.</summary>
    /// <param name="mechanism">mceliece460896, as of round 4, or mceliece460896pc, as of rounds 2 and 3.</param>
    /// <param name="count">The vector's number: 0 or 1.</param>
    public static byte[] PublicKey(string mechanism, int count) => PublicKeys.GetOrAdd((mechanism, count), _ => Generate(mechanism, count));

    /// <summary>The secret key, as it was published: in the long layout as of round 4, in the short one before.</summary>
    public static byte[] SecretKey(string mechanism, int count) => Vector(mechanism, count).Bytes("sk");

    private static byte[] Generate(string mechanism, int count)
    {
        Dictionary<string, string> vector = Vector(mechanism, count);
        var generator = new NistGenerator(vector.Bytes("seed"));
        var kem = new ManagedMcEliece460896(isConfirmed: false);
        byte[] publicKey = new byte[kem.PublicKeySize], secretKey = new byte[kem.SecretKeySize];
        if (mechanism == "mceliece460896pc")
            Round2McEliece.GenerateKeyPair(generator, publicKey, secretKey);
        else
            kem.GenerateKeyPair(publicKey, secretKey, generator.Fill);
        Assert.Equal(vector["pk_sha256"], Convert.ToHexString(SHA256.HashData(publicKey)));
        return publicKey;
    }

    private static Dictionary<string, string> Vector(string mechanism, int count) => KemVector.Read($"{mechanism}.rsp.gz")[count];
}
