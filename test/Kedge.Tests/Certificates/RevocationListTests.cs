using Kedge.Protocol.Certificates;

namespace Kedge.Tests.Certificates;

/// <summary>Revocation lists are what was signed, and nothing else is read.</summary>
public sealed class RevocationListTests : IDisposable
{
    private static readonly DateTimeOffset Now = TestNetwork.Start.AddDays(1);

    private readonly TestNetwork _network = new();
    private readonly byte[] _name, _identifier;

    public RevocationListTests()
    {
        _name = RevocationForge.Name(_network.Issuer.Certificate);
        _identifier = RevocationForge.KeyIdentifier(_network.Issuer.Certificate);
    }

    private static byte[] Entry => Der.Sequence(Der.Integer(0x40, 1), RevocationForge.ThisUpdate);

    public void Dispose() => _network.Dispose();

    [Fact]
    public void A_list_says_what_was_signed()
    {
        RevokedCertificate[] entries = [new(_network.NextSerial(), Now), new(_network.NextSerial(), Now.AddDays(-1))];

        RevocationList signed = _network.Issuer.SignRevocationList(41, Now, entries, Now.AddDays(30));

        Assert.True(RevocationList.TryParse(signed.Der.Span, out RevocationList? read, out _));
        Assert.Equal(41, read.Number);
        Assert.Equal(Now, read.ThisUpdate);
        Assert.Equal(Now.AddDays(30), read.NextUpdate);
        Assert.Equal(entries, read.Entries);
        Assert.Equal("Harbour issuer", read.IssuerName);
        Assert.Equal(_network.Issuer.Certificate.KeyIdentifier, read.AuthorityKeyIdentifier);
        Assert.True(read.Contains(entries[1].Serial));
        Assert.False(read.Contains(_network.NextSerial()));
    }

    [Fact]
    public void A_list_of_nothing_has_no_list()
    {
        RevocationList list = _network.Issuer.SignRevocationList(0, Now, []);
        Assert.Empty(list.Entries);
        Assert.Equal(new DateTimeOffset(9999, 12, 31, 23, 59, 59, TimeSpan.Zero), list.NextUpdate);
    }

    [Fact]
    public void What_is_forged_without_a_change_is_accepted()
    {
        SerialNumber serial = _network.NextSerial();
        Assert.True(RevocationList.TryParse(RevocationForge.List(_network.Issuer.Certificate, _network.IssuerKey, serial), out RevocationList? list, out _));
        Assert.True(list.Contains(serial));
        Assert.Single(_network.Trust(list).RevocationLists);
    }

    [Fact]
    public void A_reason_in_an_entry_changes_nothing()
    {
        byte[] reason = Der.Sequence(RevocationForge.Extension("2.5.29.21", Der.Hex("0A0101"))); // keyCompromise
        Assert.True(TryParse(out _, Der.Integer(1), CertificateForge.EcdsaWithSha256, _name, RevocationForge.ThisUpdate, RevocationForge.NextUpdate,
            Der.Sequence(Der.Sequence(Der.Integer(0x40, 1), RevocationForge.ThisUpdate, reason)), RevocationForge.Extensions(_identifier, RevocationForge.Number)));
    }

    [Fact]
    public void Other_lists_are_refused()
    {
        byte[] version = Der.Integer(1), algorithm = CertificateForge.EcdsaWithSha256, update = RevocationForge.ThisUpdate, next = RevocationForge.NextUpdate;
        byte[] extensions = RevocationForge.Extensions(_identifier, RevocationForge.Number);
        (CertificateRefusal Refusal, byte[][] Fields)[] cases =
        [
            (CertificateRefusal.Malformed, [algorithm, _name, update, next, extensions]), // version 1
            (CertificateRefusal.Malformed, [Der.Integer(0), algorithm, _name, update, next, extensions]),
            (CertificateRefusal.UnsupportedAlgorithm, [version, Der.Sequence(Der.Oid("1.2.840.10045.4.3.3")), _name, update, next, extensions]),
            (CertificateRefusal.BadName, [version, algorithm, Der.Name(0x0C, "a\n"), update, next, extensions]),
            (CertificateRefusal.Malformed, [version, algorithm, _name, update, extensions]), // no next update
            (CertificateRefusal.Malformed, [version, algorithm, _name, update, next]), // no extensions
            (CertificateRefusal.Malformed, [version, algorithm, _name, update, next, Der.Sequence(), extensions]), // no entries in a list of entries
            (CertificateRefusal.Malformed, [version, algorithm, _name, update, next, Der.Sequence(Der.Sequence(Der.Integer(1))), extensions]),
            (CertificateRefusal.BadSerialNumber, [version, algorithm, _name, update, next, Der.Sequence(Der.Sequence(Der.Integer(0xFF), update)), extensions]),
            (CertificateRefusal.UnknownCriticalExtension, [version, algorithm, _name, update, next, Der.Sequence(Der.Sequence(
                Der.Integer(1), update, Der.Sequence(RevocationForge.Extension("2.5.29.29", Der.Sequence(), isCritical: true)))), extensions]), // another's certificate
            (CertificateRefusal.MissingExtension, [version, algorithm, _name, update, next, RevocationForge.Extensions(_identifier)]),
            (CertificateRefusal.MissingExtension, [version, algorithm, _name, update, next, RevocationForge.Extensions(RevocationForge.Number)]),
            (CertificateRefusal.DuplicateExtension, [version, algorithm, _name, update, next, RevocationForge.Extensions(_identifier, RevocationForge.Number, _identifier)]),
            (CertificateRefusal.BadExtension, [version, algorithm, _name, update, next, RevocationForge.Extensions(
                _identifier, RevocationForge.Extension("2.5.29.20", Der.Integer(0xFF)))]),
            (CertificateRefusal.UnknownCriticalExtension, [version, algorithm, _name, update, next, RevocationForge.Extensions(
                _identifier, RevocationForge.Number, RevocationForge.Extension("2.5.29.27", Der.Integer(1), isCritical: true))]), // a delta
            (CertificateRefusal.Malformed, [version, algorithm, _name, update, next, extensions, extensions]),
        ];
        Assert.True(TryParse(out _, version, algorithm, _name, update, next, Der.Sequence(Entry), extensions));
        for (int i = 0; i < cases.Length; i++)
        {
            Assert.False(TryParse(out CertificateRefusal refusal, cases[i].Fields), $"Case {i} is accepted.");
            Assert.True(cases[i].Refusal == refusal, $"Case {i} is refused as {refusal}.");
        }
    }

    [Fact]
    public void A_list_that_ends_early_or_goes_on_is_malformed()
    {
        byte[] der = _network.Issuer.SignRevocationList(1, Now, [new(_network.NextSerial(), Now)]).Der.ToArray();
        for (int length = 0; length < der.Length; length++)
            Assert.False(RevocationList.TryParse(der.AsSpan(0, length), out _, out _));
        Assert.False(RevocationList.TryParse([.. der, 0], out _, out CertificateRefusal refusal));
        Assert.Equal(CertificateRefusal.Malformed, refusal);
        Assert.False(RevocationList.TryParse(new byte[RevocationList.MaximumSize + 1], out _, out refusal));
        Assert.Equal(CertificateRefusal.TooLarge, refusal);
    }

    private bool TryParse(out CertificateRefusal refusal, params byte[][] fields) =>
        RevocationList.TryParse(RevocationForge.Sign(_network.IssuerKey, fields), out _, out refusal);
}
