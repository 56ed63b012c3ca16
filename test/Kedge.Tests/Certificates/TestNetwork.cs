using System.Security.Cryptography;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Certificates;

/// <summary>A network with its keys: a master, and an issuer under it.</summary>
internal sealed class TestNetwork : IDisposable
{
    public static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    public static readonly DateTimeOffset End = Start.AddYears(20);
    public static readonly Guid Zone = new("6f1c1d2e-0001-4a4b-8c8d-0123456789ab");

    private readonly Random _random = new(76);

    public TestNetwork()
    {
        Master = CertificateAuthority.CreateMaster("Harbour master", MasterKey, NextSerial(), Start, End);
        Issuer = new(Master.CertifyIssuer("Harbour issuer", P256PublicKey.Of(IssuerKey), NextSerial(), Start, Start.AddYears(10)), IssuerKey);
    }

    public ECDsa MasterKey { get; } = NewKey();

    public ECDsa IssuerKey { get; } = NewKey();

    public ECDsa NodeKey { get; } = NewKey();

    public CertificateAuthority Master { get; }

    public CertificateAuthority Issuer { get; }

    public Sha256Digest Id => Master.Certificate.NetworkId;

    public static ECDsa NewKey() => ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public SerialNumber NextSerial() => SerialNumber.Create(_random.NextBytes);

    public PublicKey NextWireGuardKey()
    {
        byte[] bytes = new byte[PublicKey.Size];
        _random.NextBytes(bytes);
        return PublicKey.FromBytes(bytes);
    }

    public NodeSubject Subject(params string[] childPrefixes) => new()
    {
        Name = "buoy-7",
        ZoneId = Zone,
        IdentityKey = P256PublicKey.Of(NodeKey),
        WireGuardKey = NextWireGuardKey(),
        Addresses = [IpAddress.Parse("10.200.0.7"), IpAddress.Parse("fd00:200::7")],
        ChildPrefixes = [.. childPrefixes.Select(prefix => IpPrefix.Parse(prefix))],
    };

    public NodeCertificate Certify(NodeSubject? subject = null, CertificateAuthority? by = null, DateTimeOffset? from = null, DateTimeOffset? to = null) =>
        (by ?? Issuer).CertifyNode(subject ?? Subject(), NextSerial(), from ?? Start, to ?? Start.AddDays(7));

    /// <summary>What a node of the network trusts.</summary>
    public NetworkTrust Trust(params RevocationList[] lists) => NetworkTrust.Create(
        Id,
        [Issuer.Certificate.Der.ToArray(), Master.Certificate.Der.ToArray()],
        lists.Select(list => list.Der.ToArray()));

    public void Dispose()
    {
        MasterKey.Dispose();
        IssuerKey.Dispose();
        NodeKey.Dispose();
    }
}
