using Kedge.Bench.Dataplane;
using Kedge.Demo;

namespace Kedge.Bench.Paths;

/// <summary>Two hosts with nebula, one that is its lighthouse and relays, and no way from one to the other but by that.</summary>
internal sealed class NebulaRelayScene : RelayScene
{
    private const int Port = 4242;
    private const string RelayAddress = "10.78.0.9";

    private NebulaRelayScene(Nebula nebula)
    {
        string authority = Path.Combine(Net.TempFolder, "ca");
        A.Run(nebula.CertificateProgram, "ca", "-name", "bench", "-out-crt", authority + ".crt", "-out-key", authority + ".key");
        Drop(A, $"ip saddr {AddressOf(4)} meta l4proto udp");
        Drop(B, $"ip saddr {AddressOf(3)} meta l4proto udp");
        foreach ((Host host, string own) in new[] { (Relay, RelayAddress), (A, BenchPath.TunnelOfA), (B, BenchPath.TunnelOfB) })
        {
            bool isRelay = host == Relay;
            string path = Path.Combine(Net.TempFolder, host.Label);
            A.Run(
                nebula.CertificateProgram, "sign", "-ca-crt", authority + ".crt", "-ca-key", authority + ".key", "-name", host.Label,
                "-ip", $"{own}/24", "-out-crt", path + ".crt", "-out-key", path + ".key");
            string configuration =
                $$"""
                pki: { ca: {{authority}}.crt, cert: {{path}}.crt, key: {{path}}.key }
                static_host_map: { "{{RelayAddress}}": ["{{AddressOf(2)}}:{{Port}}"] }
                lighthouse: { am_lighthouse: {{(isRelay ? "true" : "false")}}, interval: 1, hosts: [{{(isRelay ? "" : $"\"{RelayAddress}\"")}}] }
                relay: { am_relay: {{(isRelay ? "true" : "false")}}, use_relays: true, relays: [{{(isRelay ? "" : $"\"{RelayAddress}\"")}}] }
                listen: { host: 0.0.0.0, port: {{Port}} }
                tun: { dev: {{Net.NewInterfaceName()}}, mtu: 1380 }
                firewall:
                  outbound: [{ port: any, proto: any, host: any }]
                  inbound: [{ port: any, proto: any, host: any }]
                logging: { level: error }

                """;
            host.Start(nebula.Program, "-config", Net.WriteSecret($"{host.Label}.yml", configuration));
        }
    }

    /// <inheritdoc/>
    public override string AddressOfB => BenchPath.TunnelOfB;

    /// <inheritdoc/>
    public override IReadOnlyList<RelayPath> Paths => [new("nebula, by its relay", () => WaitForAnswer("an answer by nebula's relay"))];

    /// <summary>Builds it; null where there is no nebula.</summary>
    /// <param name="folder">A folder with nebula and nebula-cert; null to look in <c>PATH</c>.</param>
    public static NebulaRelayScene? TryOpen(string? folder) => Nebula.Find(folder) is { } nebula ? new NebulaRelayScene(nebula) : null;
}
