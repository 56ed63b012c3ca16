using System.Security.Cryptography;
using Kedge.Protocol.Certificates;

namespace Kedge.Tests.Certificates;

/// <summary>Public keys, against what the base library makes and accepts.</summary>
public class P256PublicKeyTests
{
    [Fact]
    public void A_key_is_read_as_it_is_written()
    {
        using ECDsa key = TestNetwork.NewKey();
        byte[] written = key.ExportSubjectPublicKeyInfo();

        Assert.True(P256PublicKey.TryParse(written, out P256PublicKey? read));

        Assert.Equal(written, read.SubjectPublicKeyInfo);
        Assert.Equal(P256PublicKey.Of(key), read);
        Assert.Equal(SHA256.HashData(written), read.Hash.ToArray());
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(written)[..20]), read.KeyIdentifier);
    }

    // RFC 6979 appendix A.2.5: the key, and its signature of "sample" with SHA-256.
    [Fact]
    public void A_published_signature_verifies_and_no_other()
    {
        byte[] point = Der.Hex(
            "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6 7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299");
        byte[] r = Der.Hex("EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716");
        byte[] s = Der.Hex("F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8");
        byte[] info = Der.Sequence(Der.Sequence(Der.Oid("1.2.840.10045.2.1"), Der.Oid("1.2.840.10045.3.1.7")), Der.Bits([4, .. point]));
        Assert.True(P256PublicKey.TryParse(info, out P256PublicKey? key));
        byte[] hash = SHA256.HashData("sample"u8);
        byte[] signature = Der.Sequence(Der.Integer([0, .. r]), Der.Integer([0, .. s]));

        Assert.True(key.IsSignatureOf(hash, signature));
        Assert.False(key.IsSignatureOf(SHA256.HashData("Sample"u8), signature));
        Assert.False(key.IsSignatureOf(hash, Der.Sequence(Der.Integer([0, .. s]), Der.Integer([0, .. r]))));
        Assert.False(key.IsSignatureOf(hash, [.. signature, 0]));
        Assert.False(key.IsSignatureOf(hash, Der.Sequence(Der.Integer([0, 0, .. r]), Der.Integer([0, .. s]))));
        Assert.False(key.IsSignatureOf(hash, Der.Sequence(Der.Integer(0), Der.Integer(0))));
        Assert.False(key.IsSignatureOf(hash, Der.Sequence(Der.Integer(1), Der.Integer(0))));
        Assert.False(key.IsSignatureOf(hash, []));
    }

    [Theory]
    [InlineData("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff", "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4")] // x = p
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", "0000000000000000000000000000000000000000000000000000000000000000")]
    public void A_point_that_is_not_on_the_curve_is_no_key(string x, string y)
    {
        byte[] info = Der.Sequence(Der.Sequence(Der.Oid("1.2.840.10045.2.1"), Der.Oid("1.2.840.10045.3.1.7")), Der.Bits([4], Der.Hex(x), Der.Hex(y)));
        Assert.Equal(P256PublicKey.Size, info.Length);
        Assert.False(P256PublicKey.TryParse(info, out _));
    }

    // y for x = 0 is a square root of b; x = p is the same point written wrongly, above.
    [Fact]
    public void A_coordinate_may_be_zero()
    {
        byte[] y = Der.Hex("66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4");
        Assert.True(P256PublicKey.TryParse(
            Der.Sequence(Der.Sequence(Der.Oid("1.2.840.10045.2.1"), Der.Oid("1.2.840.10045.3.1.7")), Der.Bits([4], new byte[32], y)), out P256PublicKey? key));
        Assert.False(key.IsSignatureOf(new byte[32], Der.Sequence(Der.Integer(1), Der.Integer(1))));
    }

    [Fact]
    public void Another_curves_key_cannot_be_taken_for_one()
    {
        using ECDsa other = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        Assert.Throws<ArgumentException>(() => P256PublicKey.Of(other));
    }
}
