using System.Security.Cryptography;
using Kedge.Demo;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.SystemTests.Certificates;

/// <summary>A folder with a network's keys and certificates in files, and the programs that read them: openssl, and ours.</summary>
internal sealed class Workshop : IDisposable
{
    private readonly Topology _net = Topology.Create(); // for its folder, which is removed whatever happens

    public Workshop()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        Start = now.AddHours(-1);
        Master = CertificateAuthority.CreateMaster("Harbour master", MasterKey, NewSerial(), Start, now.AddYears(20));
        Issuer = new(Master.CertifyIssuer("Harbour issuer", P256PublicKey.Of(IssuerKey), NewSerial(), Start, now.AddYears(10)), IssuerKey);
        Write("master.pem", Master.Certificate.Der);
        Write("issuer.pem", Issuer.Certificate.Der);
    }

    public DateTimeOffset Start { get; }

    public ECDsa MasterKey { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public ECDsa IssuerKey { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public ECDsa NodeKey { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public CertificateAuthority Master { get; }

    public CertificateAuthority Issuer { get; }

    public static SerialNumber NewSerial() => SerialNumber.Create(RandomNumberGenerator.Fill);

    public string PathOf(string file) => Path.Combine(_net.TempFolder, file);

    public string Write(string file, ReadOnlyMemory<byte> der, string label = "CERTIFICATE") => WriteText(file, PemEncoding.WriteString(label, der.Span) + "\n");

    public string WriteText(string file, string text)
    {
        File.WriteAllText(PathOf(file), text);
        return PathOf(file);
    }

    public NodeSubject Subject() => new()
    {
        Name = "buoy-7",
        ZoneId = Guid.NewGuid(),
        IdentityKey = P256PublicKey.Of(NodeKey),
        WireGuardKey = PublicKey.FromBytes(RandomNumberGenerator.GetBytes(PublicKey.Size)),
        Tags = ["crane", "pier"],
        Addresses = [IpAddress.Parse("10.200.0.7"), IpAddress.Parse("fd00:200::7")],
        ChildPrefixes = [IpPrefix.Parse("192.168.40.0/24"), IpPrefix.Parse("192.168.41.0/24"), IpPrefix.Parse("192.168.42.0/24")],
    };

    public NodeCertificate Certify(NodeSubject subject, CertificateAuthority? by = null) =>
        (by ?? Issuer).CertifyNode(subject, NewSerial(), Start, DateTimeOffset.UtcNow.AddDays(7));

    /// <summary>Runs openssl in the folder; it must succeed.</summary>
    public static string OpenSsl(params string[] arguments)
    {
        CommandResult result = TryOpenSsl(arguments);
        Assert.True(result.Succeeded, $"openssl {string.Join(' ', arguments)}\n{result.Error}{result.Output}");
        return result.Output;
    }

    public static CommandResult TryOpenSsl(params string[] arguments) => RunningProcess.Run(new Command(["openssl", .. arguments]));

    /// <summary>Runs the program, whatever comes of it.</summary>
    public static CommandResult TryKedge(params string[] arguments) => RunningProcess.Run(new Command([Repository.Program, .. arguments]));

    /// <summary>Runs the program; it must succeed.</summary>
    public static CommandResult Kedge(params string[] arguments)
    {
        CommandResult result = TryKedge(arguments);
        Assert.True(result.Succeeded, $"kedge {string.Join(' ', arguments)}\n{result.Error}{result.Output}");
        return result;
    }

    /// <summary>Runs the program on a terminal of its own, and types <paramref name="input"/> there.</summary>
    public static CommandResult OnTerminal(string input, params string[] arguments)
    {
        string line = string.Join(' ', ((string[])[Repository.Program, .. arguments]).Select(word => $"'{word}'"));
        return RunningProcess.Run(new Command("script", "-qec", line, "/dev/null") { Input = input });
    }

    public void Dispose()
    {
        MasterKey.Dispose();
        IssuerKey.Dispose();
        NodeKey.Dispose();
        _net.Dispose();
    }
}
