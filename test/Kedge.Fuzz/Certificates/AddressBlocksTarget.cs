using System.Formats.Asn1;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Fuzz.Certificates;

/// <summary>
/// Address blocks (RFC 3779), in a certificate around them. A set has one form: what is accepted is what a slow writer makes of the same
/// prefixes, and what that makes of any prefixes is accepted. The first byte chooses between the two.
/// </summary>
public sealed class AddressBlocksTarget : Target
{
    // The key of RFC 6979 appendix A.2.5.
    private const string Key =
        "3059301306072A8648CE3D020106082A8648CE3D03010703420004" +
        "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB67903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299";

    public override string Name => "address-blocks";

    public override int MaximumLength => 200;

    public override int ShortRun => 15_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } = DerWords.All;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        bool isRaw = reader.Flag();
        byte[] blocks = isRaw ? reader.Rest.ToArray() : SlowAddressBlocks.Write(Prefixes(ref reader));
        bool accepted = AuthorityCertificate.TryParse(AuthorityAround(blocks), out AuthorityCertificate? certificate, out CertificateRefusal refusal);
        trace.Note(1, isRaw ? 1 : 0);
        trace.Note(2, accepted ? certificate!.AddressBlocks.Prefixes.Count : -1 - (int)refusal);
        Invariant.Holds(accepted || refusal == CertificateRefusal.BadAddressBlocks, "nothing else is wrong with the certificate");
        if (!isRaw)
            Invariant.Holds(accepted, "the canonical form of any prefixes is accepted");
        if (!accepted)
            return;
        IReadOnlyList<IpPrefix> prefixes = certificate!.AddressBlocks.Prefixes;
        Invariant.Equal(Convert.ToHexString(SlowAddressBlocks.Write(prefixes)), Convert.ToHexString(blocks), "what is accepted is the canonical form of its prefixes");
        Invariant.Holds(AddressBlocks.Of(prefixes).Equals(certificate.AddressBlocks), "a set is the set of its prefixes");
        Invariant.Holds(AddressBlocks.All.Contains(certificate.AddressBlocks), "every set is a part of all addresses");
        for (int i = 1; i < prefixes.Count; i++)
            Invariant.Holds(prefixes[i - 1].CompareTo(prefixes[i]) < 0 && !prefixes[i - 1].Contains(prefixes[i].Address), "prefixes are in order and apart");
    }

    private static List<IpPrefix> Prefixes(ref Input reader)
    {
        List<IpPrefix> prefixes = [];
        Span<byte> bytes = stackalloc byte[16];
        do
        {
            Span<byte> address = bytes[..(reader.Flag() ? 4 : 16)];
            int length = reader.Pick((address.Length * 8) + 1);
            reader.Fill(address[..2]);
            reader.Fill(address[^2..]);
            address[2..^2].Clear();
            prefixes.Add(new IpPrefix(IpAddress.FromBytes(address), length));
        }
        while (!reader.IsEmpty && prefixes.Count < 30);
        return prefixes;
    }

    // An authority's certificate with a signature that is none: the parser does not check it.
    private static byte[] AuthorityAround(byte[] blocks)
    {
        byte[] Extension(string identifier, string value, bool isCritical = false) =>
            Der(0x30, Oid(identifier), Hex(isCritical ? "0101FF" : ""), Der(0x04, Hex(value)));
        byte[] algorithm = Hex("300A06082A8648CE3D040302"), name = Hex("300C310A300806035504030C0161");
        byte[] content = Der(
            0x30,
            Hex("A003020102"), Hex("020101"), algorithm, name, Hex("301E170D3236303330313132303030305A170D3236303330383132303030305A"), name, Hex(Key),
            Der(0xA3, Der(
                0x30,
                Extension("2.5.29.19", "30030101FF", isCritical: true),
                Extension("2.5.29.15", "03020106"),
                Extension("2.5.29.14", "040101"),
                Extension("2.5.29.35", "3003800101"),
                Extension(ObjectIdentifiers.KedgeNetwork, "0420" + new string('0', 64)),
                Extension("1.3.6.1.5.5.7.1.7", Convert.ToHexString(blocks)))));
        return Der(0x30, content, algorithm, Hex("0309003006020101020101"));
    }

    private static byte[] Der(byte tag, params byte[][] contents) => SlowAddressBlocks.Tagged(tag, contents);

    private static byte[] Hex(string digits) => Convert.FromHexString(digits);

    private static byte[] Oid(string identifier)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        writer.WriteObjectIdentifier(identifier);
        return writer.Encode();
    }
}
