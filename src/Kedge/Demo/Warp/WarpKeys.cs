namespace Kedge.Demo.Warp;

/// <summary>An authority and certificates of it, by openssl, in a topology's folder.</summary>
/// <param name="net">Whose folder.</param>
/// <param name="host">Where openssl runs.</param>
internal sealed class WarpKeys(Topology net, Host host)
{
    private string? _authority;

    /// <summary>The authority's certificate.</summary>
    public string Authority => _authority ??= MakeAuthority("ca");

    /// <summary>The certificate of a name.</summary>
    public string CertificateOf(string name) => PathOf(name + ".crt");

    /// <summary>The key of a name.</summary>
    public string KeyOf(string name) => PathOf(name + ".key");

    /// <summary>Makes a key, and has the authority certify it.</summary>
    /// <param name="name">What to call the files.</param>
    /// <param name="commonName">The subject's common name, and its DNS name.</param>
    /// <param name="purpose">What for: <c>serverAuth</c> or <c>clientAuth</c>.</param>
    public void Certify(string name, string commonName, string purpose)
    {
        _ = Authority;
        Certify(name, commonName, purpose, "ca");
    }

    /// <summary>Whether a listener refuses a connector whose certificate is of another authority.</summary>
    public bool IsRefused(Host from, string program, string address)
    {
        MakeAuthority("other");
        Certify("stranger", "home", "clientAuth", "other");
        using RunningProcess stranger = from.Start(
            program, "warp", "connect", "--server", address, "--server-name", "warp.example", "--cert", CertificateOf("stranger"),
            "--key", KeyOf("stranger"), "--ca", Authority);
        return stranger.WaitForLine("Not connected", TimeSpan.FromSeconds(30)).Contains("does not accept", StringComparison.Ordinal);
    }

    private string MakeAuthority(string name)
    {
        host.Run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", $"/CN={name}",
            "-keyout", KeyOf(name), "-out", CertificateOf(name));
        return CertificateOf(name);
    }

    private void Certify(string name, string commonName, string purpose, string authority)
    {
        string request = PathOf(name + ".csr");
        string extensions = net.WriteSecret(name + ".ext", $"extendedKeyUsage={purpose}\nsubjectAltName=DNS:{commonName}\n");
        host.Run(
            "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", $"/CN={commonName}",
            "-keyout", KeyOf(name), "-out", request);
        host.Run(
            "openssl", "x509", "-req", "-in", request, "-CA", CertificateOf(authority), "-CAkey", KeyOf(authority), "-CAcreateserial", "-days", "2",
            "-extfile", extensions, "-out", CertificateOf(name));
    }

    private string PathOf(string file) => Path.Combine(net.TempFolder, file);
}
