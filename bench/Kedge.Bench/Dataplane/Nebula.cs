using Kedge.Demo;

namespace Kedge.Bench.Dataplane;

/// <summary>Nebula on both hosts, with certificates of a CA that is made for the occasion, and every packet let in.</summary>
/// <param name="Program">The program <c>nebula</c>.</param>
/// <param name="CertificateProgram">The program <c>nebula-cert</c>.</param>
internal sealed record Nebula(string Program, string CertificateProgram) : Contender("nebula")
{
    private const int Port = 4242;
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Its buffers have 9,001 bytes.</summary>
    public override int MaximumMtu => 8900;

    /// <summary>The installed one, or that in a folder; null where there is none.</summary>
    /// <param name="folder">A folder with both programs; null to look in <c>PATH</c>.</param>
    public static Nebula? Find(string? folder)
    {
        string[] folders = folder is null ? (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':') : [folder];
        string? program = PathOf("nebula"), certificateProgram = PathOf("nebula-cert");
        return program is null || certificateProgram is null ? null : new Nebula(program, certificateProgram);

        string? PathOf(string name) => folders.Select(one => Path.Combine(one, name)).FirstOrDefault(File.Exists);
    }

    public override Ends Start(Host a, Host b, int mtu)
    {
        string folder = a.Topology.TempFolder, name = b.Topology.NewInterfaceName();
        string authority = Path.Combine(folder, "ca");
        a.Run(CertificateProgram, "ca", "-name", "bench", "-out-crt", authority + ".crt", "-out-key", authority + ".key");
        foreach ((Host host, string own, string other, string otherCable) in new[]
        {
            (a, BenchPath.TunnelOfA, BenchPath.TunnelOfB, BenchPath.CableOfB),
            (b, BenchPath.TunnelOfB, BenchPath.TunnelOfA, BenchPath.CableOfA),
        })
        {
            string path = Path.Combine(folder, host.Label);
            a.Run(
                CertificateProgram, "sign", "-ca-crt", authority + ".crt", "-ca-key", authority + ".key", "-name", host.Label,
                "-ip", $"{own}/24", "-out-crt", path + ".crt", "-out-key", path + ".key");
            string configuration =
                $$"""
                pki: { ca: {{authority}}.crt, cert: {{path}}.crt, key: {{path}}.key }
                static_host_map: { "{{other}}": ["{{otherCable}}:{{Port}}"] }
                lighthouse: { am_lighthouse: false, hosts: [] }
                listen: { host: 0.0.0.0, port: {{Port}} }
                tun: { dev: {{name}}, mtu: {{mtu}} }
                firewall:
                  outbound: [{ port: any, proto: any, host: any }]
                  inbound: [{ port: any, proto: any, host: any }]
                logging: { level: error }

                """;
            host.Start(Program, "-config", a.Topology.WriteSecret($"{host.Label}.yml", configuration));
            Wait.Until(
                () => host.TryRun("ip", "-brief", "address", "show", "up", "dev", name).Output.Contains(own, StringComparison.Ordinal),
                StartTimeout,
                $"nebula's interface on {host}");
        }
        return new Ends(BenchPath.TunnelOfA, BenchPath.TunnelOfB, name);
    }
}
