using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Kedge.Tests.Certificates;

/// <summary>DER by hand, so that a test can also write what no writer would.</summary>
internal static class Der
{
    public static byte[] Tagged(byte tag, params byte[][] contents)
    {
        byte[] all = [.. contents.SelectMany(part => part)];
        byte[] length = all.Length switch
        {
            < 0x80 => [(byte)all.Length],
            < 0x100 => [0x81, (byte)all.Length],
            _ => [0x82, (byte)(all.Length >> 8), (byte)all.Length],
        };
        return [tag, .. length, .. all];
    }

    public static byte[] Sequence(params byte[][] contents) => Tagged(0x30, contents);

    public static byte[] Octets(params byte[][] contents) => Tagged(0x04, contents);

    public static byte[] Bits(params byte[][] contents) => Tagged(0x03, [[0], .. contents]);

    public static byte[] Integer(params byte[] contents) => Tagged(0x02, contents);

    public static byte[] Oid(string identifier)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        writer.WriteObjectIdentifier(identifier);
        return writer.Encode();
    }

    /// <summary>A Name of common names, each in a set of its own, with the tag of their strings.</summary>
    public static byte[] Name(byte tag, params string[] names) => Sequence(
        [.. names.Select(name => Tagged(0x31, Sequence(Oid("2.5.4.3"), Tagged(tag, [.. System.Text.Encoding.UTF8.GetBytes(name)]))))]);

    public static byte[] UtcTime(string text) => Tagged(0x17, System.Text.Encoding.ASCII.GetBytes(text));

    public static byte[] GeneralizedTime(string text) => Tagged(0x18, System.Text.Encoding.ASCII.GetBytes(text));

    public static byte[] Sign(ECDsa key, byte[] content) => key.SignData(content, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);

    public static byte[] Hex(string digits) => Convert.FromHexString(digits.Replace(" ", "", StringComparison.Ordinal));
}
