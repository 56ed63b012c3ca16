using System.Text.Json;

namespace Kedge.Tests.Crypto;

/// <summary>One published result of X25519. A secret of zeros stands for a public key that is to be refused.</summary>
public sealed record X25519Vector(string Name, byte[] PrivateKey, byte[] PublicKey, byte[] Shared)
{
    private const string WycheproofFile = "x25519_test";

    /// <summary>RFC 7748 and, where its folder is named, Wycheproof.</summary>
    public static IEnumerable<TheoryDataRow<X25519Vector>> All()
    {
        yield return Published(
            "RFC 7748, section 5.2, first",
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
        yield return Published(
            "RFC 7748, section 5.2, second",
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
        yield return Published(
            "RFC 7748, section 6.1, Alice",
            "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
            "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        yield return Published(
            "RFC 7748, section 6.1, Bob",
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
            "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        foreach (JsonElement test in Wycheproof.Read(WycheproofFile))
            yield return new X25519Vector(test.Name(WycheproofFile), test.Bytes("private"), test.Bytes("public"), test.Bytes("shared"));
    }

    public override string ToString() => Name;

    private static X25519Vector Published(string name, string privateKey, string publicKey, string shared) =>
        new(name, Convert.FromHexString(privateKey), Convert.FromHexString(publicKey), Convert.FromHexString(shared));
}
