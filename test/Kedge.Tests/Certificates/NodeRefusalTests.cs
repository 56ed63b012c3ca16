using System.Security.Cryptography;
using Kedge.Protocol.Certificates;

namespace Kedge.Tests.Certificates;

/// <summary>
/// Certificates of nodes that are signed by the right authority and still not accepted. Each is the accepted one with one thing changed.
/// </summary>
public sealed class NodeRefusalTests : IDisposable
{
    private const string AuthorityKeyIdentifier = "2.5.29.35";
    private const string KeyUsage = "2.5.29.15";
    private const string ExtendedKeyUsage = "2.5.29.37";
    private const string SubjectAlternativeName = "2.5.29.17";
    private const string AddressBlocks = "1.3.6.1.5.5.7.1.7";

    private static readonly byte[] Null = [0x05, 0x00];

    private readonly TestNetwork _network = new();
    private readonly CertificateForge _forge;

    public NodeRefusalTests() => _forge = CertificateForge.Node(_network);

    public void Dispose() => _network.Dispose();

    [Fact]
    public void What_is_forged_without_a_change_is_accepted()
    {
        Assert.True(NodeCertificate.TryParse(_forge.Sign(_network.IssuerKey), out NodeCertificate? certificate, out _));
        Assert.Null(_network.Trust().Verify(certificate, TestNetwork.Zone, TestNetwork.Start));
    }

    [Fact]
    public void Every_byte_string_that_ends_early_is_malformed()
    {
        byte[] der = _forge.Sign(_network.IssuerKey);
        for (int length = 0; length < der.Length; length++)
            Refused(CertificateRefusal.Malformed, der.AsSpan(0, length));
    }

    [Fact]
    public void Data_behind_the_end_is_malformed()
    {
        Refused(CertificateRefusal.Malformed, [.. _forge.Sign(_network.IssuerKey), 0]);
        _forge.AfterExtensions = Null;
        Refused(CertificateRefusal.Malformed);
    }

    [Fact]
    public void An_indefinite_length_is_malformed()
    {
        byte[] der = _forge.Sign(_network.IssuerKey);
        Refused(CertificateRefusal.Malformed, [0x30, 0x80, .. der[4..], 0, 0]);
    }

    [Fact]
    public void A_length_in_more_bytes_than_needed_is_malformed()
    {
        byte[] der = _forge.Sign(_network.IssuerKey);
        Assert.Equal(0x82, der[1]);
        Refused(CertificateRefusal.Malformed, [0x30, 0x83, 0, .. der[2..]]);
    }

    [Fact]
    public void More_than_four_kilobytes_are_too_large()
    {
        _forge.Extensions.Add(("1.2.3.4", false, new byte[NodeCertificate.MaximumSize]));
        Refused(CertificateRefusal.TooLarge);
    }

    [Theory]
    [InlineData("")] // version 1
    [InlineData("A003020101")] // version 2
    [InlineData("A003020103")]
    [InlineData("A00302010205 00")]
    public void Another_version_than_3_is_malformed(string version)
    {
        _forge.Version = Der.Hex(version);
        Refused(CertificateRefusal.Malformed);
    }

    [Theory]
    [InlineData("00", CertificateRefusal.BadSerialNumber)]
    [InlineData("FF", CertificateRefusal.BadSerialNumber)]
    [InlineData("80 00", CertificateRefusal.BadSerialNumber)]
    [InlineData("01 000102030405060708090A0B0C0D0E0F10111213", CertificateRefusal.BadSerialNumber)] // 21 bytes
    [InlineData("00 01", CertificateRefusal.Malformed)] // not the shortest form
    public void A_serial_number_that_is_not_positive_or_too_long_is_refused(string contents, CertificateRefusal refusal)
    {
        _forge.Serial = Der.Integer(Der.Hex(contents));
        Refused(refusal);
    }

    [Theory]
    [InlineData("1.2.840.10045.4.3.3")] // ecdsa-with-SHA384
    [InlineData("1.2.840.113549.1.1.11")] // sha256WithRSAEncryption
    public void Another_signature_algorithm_is_refused_wherever_it_stands(string identifier)
    {
        _forge.InnerAlgorithm = Der.Sequence(Der.Oid(identifier));
        Refused(CertificateRefusal.UnsupportedAlgorithm);
        (_forge.InnerAlgorithm, _forge.OuterAlgorithm) = (_forge.OuterAlgorithm, _forge.InnerAlgorithm);
        Refused(CertificateRefusal.UnsupportedAlgorithm);
    }

    [Fact]
    public void Parameters_of_the_algorithm_are_refused()
    {
        _forge.OuterAlgorithm = Der.Sequence(Der.Oid("1.2.840.10045.4.3.2"), Null);
        Refused(CertificateRefusal.UnsupportedAlgorithm);
    }

    [Fact]
    public void A_signature_that_is_no_pair_of_numbers_is_malformed()
    {
        byte[] der = _forge.Sign(_network.IssuerKey);
        int at = der.AsSpan().LastIndexOf(CertificateForge.EcdsaWithSha256) + CertificateForge.EcdsaWithSha256.Length;
        byte[] content = der.AsSpan(4, at - 4).ToArray();
        foreach (string signature in (string[])["", "00", "3000", "3003020101", "3009020101020101020101", "300602010102010105", "3006020101020180"])
            Refused(CertificateRefusal.Malformed, Der.Sequence(content, Der.Bits(Der.Hex(signature))));
        Refused(CertificateRefusal.Malformed, Der.Sequence(content, Der.Tagged(0x03, Der.Hex("01 3006020101020102"))));
        // 33 bytes are more than the curve's order has.
        Refused(CertificateRefusal.Malformed, Der.Sequence(content, Der.Bits(Der.Sequence(Der.Integer([1, .. new byte[32]]), Der.Integer(1)))));
    }

    [Fact]
    public void A_subject_that_is_not_one_label_is_a_bad_name()
    {
        foreach (string name in (string[])["", "two words", "Buoy-7", "-x", "x-", "a.b", "a_b", "bücke", "nul\0", "bell\a", new string('x', 64)])
        {
            _forge.Subject = Der.Name(0x0C, name);
            Refused(CertificateRefusal.BadName);
        }
        foreach (byte[] subject in (byte[][])[
            Der.Sequence(),
            Der.Name(0x0C, "one", "two"),
            Der.Name(0x14, "teletex"),
            Der.Sequence(Der.Tagged(0x31, Der.Sequence(Der.Oid("2.5.4.10"), Der.Tagged(0x0C, "anybody"u8.ToArray())))),
        ])
        {
            _forge.Subject = subject;
            Refused(CertificateRefusal.BadName);
        }
    }

    [Fact]
    public void An_issuer_with_a_character_that_cannot_be_shown_is_a_bad_name()
    {
        foreach (string name in (string[])["a\nb", "a\u001b[2Jb", "a\u202eb", "a\u200bb", " a", "a ", "\ue000", new string('x', 65)])
        {
            _forge.Issuer = Der.Name(0x0C, name);
            Refused(CertificateRefusal.BadName);
        }
    }

    [Fact]
    public void A_name_that_is_not_UTF_8_is_malformed()
    {
        _forge.Issuer = Der.Sequence(Der.Tagged(0x31, Der.Sequence(Der.Oid("2.5.4.3"), Der.Tagged(0x0C, [0xC0, 0x80]))));
        Refused(CertificateRefusal.Malformed);
    }

    [Fact]
    public void A_printable_string_is_a_name()
    {
        _forge.Subject = Der.Name(0x13, "buoy-7");
        Assert.True(NodeCertificate.TryParse(_forge.Sign(_network.IssuerKey), out _, out _));
    }

    [Fact]
    public void Dates_in_another_form_than_their_year_demands_are_refused()
    {
        byte[] from = Der.UtcTime("260301120000Z");
        _forge.Validity = Der.Sequence(from, Der.UtcTime("260301115959Z"));
        Refused(CertificateRefusal.BadDates);
        _forge.Validity = Der.Sequence(from, Der.GeneralizedTime("20490101000000Z"));
        Refused(CertificateRefusal.BadDates);
        _forge.Validity = Der.Sequence(from, Der.GeneralizedTime("20500101000000.5Z"));
        Refused(CertificateRefusal.BadDates);
        foreach (string text in (string[])["2603011200Z", "260301120000+0000", "260230120000Z", "260301250000Z", "260301120060Z", "2603011200000Z", ""])
        {
            _forge.Validity = Der.Sequence(from, Der.UtcTime(text));
            Refused(CertificateRefusal.Malformed);
        }
        foreach (string text in (string[])["20500101000000", "00000101000000Z", "20501301000000Z", "20500101000000.0Z"])
        {
            _forge.Validity = Der.Sequence(from, Der.GeneralizedTime(text));
            Refused(CertificateRefusal.Malformed);
        }
        _forge.Validity = Der.Sequence(from);
        Refused(CertificateRefusal.Malformed);
    }

    [Fact]
    public void Other_keys_than_ECDSA_P_256_are_refused()
    {
        using ECDsa p384 = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        using RSA rsa = RSA.Create(2048);
        byte[] good = _forge.Key;
        byte[] offCurve = [.. good];
        offCurve[^1] ^= 1;
        byte[] compressed = Der.Sequence(
            Der.Sequence(Der.Oid("1.2.840.10045.2.1"), Der.Oid("1.2.840.10045.3.1.7")), Der.Bits([(byte)(2 + (good[^1] & 1)), .. good[27..59]]));
        byte[] ed25519 = Der.Hex($"302A300506032B6570032100{new string('1', 64)}");
        byte[] infinity = [.. good[..23], 0x03, 0x02, 0x00, 0x00];
        infinity[1] = (byte)(infinity.Length - 2);
        foreach (byte[] key in (byte[][])[p384.ExportSubjectPublicKeyInfo(), rsa.ExportSubjectPublicKeyInfo(), offCurve, compressed, ed25519, infinity])
        {
            _forge.Key = key;
            Refused(CertificateRefusal.UnsupportedAlgorithm);
        }
    }

    [Fact]
    public void A_stock_peers_key_that_is_not_its_WireGuard_key_is_the_wrong_one()
    {
        _forge.Key = Der.Hex($"302A300506032B656E032100{new string('1', 64)}");
        _forge.Replace(KeyUsage, Der.Hex("03020308"), isCritical: true);
        Refused(CertificateRefusal.WrongKey);
    }

    [Fact]
    public void Unique_identifiers_are_malformed()
    {
        _forge.BeforeExtensions = Der.Tagged(0x81, [0, 1]);
        Refused(CertificateRefusal.Malformed);
    }

    [Fact]
    public void The_same_extension_twice_is_refused()
    {
        _forge.Extensions.Add(_forge.Extensions[^1]);
        Refused(CertificateRefusal.DuplicateExtension);
    }

    [Fact]
    public void An_extension_that_is_not_known_is_refused_only_where_it_is_critical()
    {
        _forge.Extensions.Add(("1.2.3.4", false, Null));
        Assert.True(NodeCertificate.TryParse(_forge.Sign(_network.IssuerKey), out _, out _));
        _forge.Extensions[^1] = ("1.2.3.4", true, Null);
        Refused(CertificateRefusal.UnknownCriticalExtension);
    }

    [Fact]
    public void A_critical_mark_that_says_no_is_malformed()
    {
        byte[] der = _forge.Sign(_network.IssuerKey);
        int at = der.AsSpan().IndexOf(Der.Hex("0603551D0F 0101FF")) + 7;
        Assert.Equal(0xFF, der[at]);
        foreach (byte value in (byte[])[0, 1])
        {
            der[at] = value;
            Refused(CertificateRefusal.Malformed, der);
        }
    }

    [Theory]
    [InlineData(AuthorityKeyIdentifier)]
    [InlineData(KeyUsage)]
    [InlineData(ExtendedKeyUsage)]
    [InlineData(SubjectAlternativeName)]
    [InlineData(ObjectIdentifiers.KedgeNode)]
    public void An_extension_of_the_profile_must_be_there(string identifier)
    {
        _forge.Replace(identifier, null);
        Refused(CertificateRefusal.MissingExtension);
    }

    [Fact]
    public void Address_blocks_must_be_there()
    {
        _forge.Replace(AddressBlocks, null);
        Refused(CertificateRefusal.NoAddressBlocks);
    }

    [Theory]
    [InlineData("03020106")] // keyCertSign, cRLSign
    [InlineData("03020780 00")]
    [InlineData("03020284")] // digitalSignature and keyCertSign
    [InlineData("03020308")] // keyAgreement, of a stock peer
    public void Another_key_usage_is_refused(string value)
    {
        _forge.Replace(KeyUsage, Der.Hex(value), isCritical: true);
        Refused(value.EndsWith(" 00", StringComparison.Ordinal) ? CertificateRefusal.Malformed : CertificateRefusal.WrongUsage);
    }

    [Fact]
    public void Other_purposes_are_refused()
    {
        byte[] server = Der.Oid("1.3.6.1.5.5.7.3.1"), client = Der.Oid("1.3.6.1.5.5.7.3.2"), any = Der.Oid("2.5.29.37.0");
        foreach (byte[] purposes in (byte[][])[Der.Sequence(server), Der.Sequence(client), Der.Sequence(any), Der.Sequence(server, client, any), Der.Sequence()])
        {
            _forge.Replace(ExtendedKeyUsage, purposes);
            Refused(CertificateRefusal.WrongUsage);
        }
    }

    [Fact]
    public void A_node_is_no_authority()
    {
        _forge.Extensions.Add(("2.5.29.19", true, Der.Sequence()));
        Assert.True(NodeCertificate.TryParse(_forge.Sign(_network.IssuerKey), out _, out _));
        foreach (string constraints in (string[])["30030101FF", "3003010100", "3003020100"])
        {
            _forge.Replace("2.5.29.19", Der.Hex(constraints), isCritical: true);
            Refused(CertificateRefusal.WrongUsage);
        }
    }

    [Fact]
    public void An_authority_is_no_node_and_a_node_no_authority()
    {
        Assert.False(NodeCertificate.TryParse(_network.Issuer.Certificate.Der.Span, out _, out _));
        Assert.False(AuthorityCertificate.TryParse(_network.Certify().Der.Span, out _, out CertificateRefusal refusal));
        Assert.Equal(CertificateRefusal.WrongUsage, refusal);
    }

    [Theory]
    [InlineData("")] // none
    [InlineData("8704 0AC80007 8704 0AC80008")] // two of one family
    [InlineData("8710 FD000200000000000000000000000007 8704 0AC80007")] // IPv6 before IPv4
    [InlineData("8703 0AC800")]
    [InlineData("8705 0AC8000700")]
    [InlineData("8206 62756F792D37")] // a DNS name
    public void Own_addresses_are_one_of_each_family_and_nothing_else(string names)
    {
        _forge.Replace(SubjectAlternativeName, Der.Sequence(Der.Hex(names)));
        Refused(CertificateRefusal.BadExtension);
    }

    [Fact]
    public void An_own_address_must_be_in_the_address_blocks()
    {
        _forge.Replace(SubjectAlternativeName, Der.Sequence(Der.Hex("8704 0AC80008")));
        Refused(CertificateRefusal.BadAddressBlocks);
    }

    [Fact]
    public void The_binding_has_the_lengths_that_it_must_have()
    {
        byte[] network = Der.Octets(_network.Id.ToArray()), zone = Der.Octets(new byte[16]), key = Der.Octets(new byte[32]);
        byte[] rosenpass = Der.Tagged(0x80, new byte[32]);
        byte[] Tags(params string[] tags) => Der.Tagged(0xA1, [.. tags.Select(tag => Der.Tagged(0x0C, System.Text.Encoding.UTF8.GetBytes(tag)))]);
        (byte[][] Fields, CertificateRefusal Refusal)[] cases =
        [
            ([Der.Octets(new byte[31]), zone, key], CertificateRefusal.BadExtension),
            ([network, Der.Octets(new byte[17]), key], CertificateRefusal.BadExtension),
            ([network, zone, Der.Octets(new byte[33])], CertificateRefusal.BadExtension),
            ([network, zone], CertificateRefusal.Malformed),
            ([network, zone, key, key], CertificateRefusal.Malformed),
            ([network, zone, key, Der.Tagged(0x80, new byte[31])], CertificateRefusal.BadExtension),
            ([network, zone, key, Tags("a"), rosenpass], CertificateRefusal.Malformed),
            ([network, zone, key, rosenpass, Tags()], CertificateRefusal.BadExtension),
            ([network, zone, key, Tags("b", "a")], CertificateRefusal.BadExtension),
            ([network, zone, key, Tags("a", "a")], CertificateRefusal.BadExtension),
            ([network, zone, key, Tags("a\n")], CertificateRefusal.BadExtension),
            ([network, zone, key, Tags("")], CertificateRefusal.BadExtension),
            ([network, zone, key, Tags(new string('a', 65))], CertificateRefusal.BadExtension),
            ([network, zone, key, Tags([.. Enumerable.Range(0, 33).Select(i => $"{i:D2}")])], CertificateRefusal.BadExtension),
        ];
        foreach ((byte[][] fields, CertificateRefusal refusal) in cases)
        {
            _forge.Replace(ObjectIdentifiers.KedgeNode, Der.Sequence(fields));
            Refused(refusal);
        }
        _forge.Replace(ObjectIdentifiers.KedgeNode, [.. Der.Sequence(network, zone, key), .. Null]);
        Refused(CertificateRefusal.Malformed);
        _forge.Replace(ObjectIdentifiers.KedgeNode, Der.Sequence(network, zone, key, rosenpass, Tags("a", "b")));
        Assert.True(NodeCertificate.TryParse(_forge.Sign(_network.IssuerKey), out _, out _));
    }

    [Fact]
    public void An_authority_key_identifier_is_a_key_identifier_alone()
    {
        foreach ((string value, CertificateRefusal refusal) in ((string, CertificateRefusal)[])[
            ("3000", CertificateRefusal.Malformed), ("30028000", CertificateRefusal.BadExtension), ("3006 8001AA 820101", CertificateRefusal.Malformed),
        ])
        {
            _forge.Replace(AuthorityKeyIdentifier, Der.Hex(value));
            Refused(refusal);
        }
        _forge.Replace(AuthorityKeyIdentifier, Der.Sequence(Der.Tagged(0x80, new byte[33])));
        Refused(CertificateRefusal.BadExtension);
    }

    private void Refused(CertificateRefusal expected) => Refused(expected, _forge.Sign(_network.IssuerKey));

    private static void Refused(CertificateRefusal expected, ReadOnlySpan<byte> der)
    {
        Assert.False(NodeCertificate.TryParse(der, out NodeCertificate? certificate, out CertificateRefusal refusal), "It is accepted.");
        Assert.Null(certificate);
        Assert.Equal(expected, refusal);
    }
}
