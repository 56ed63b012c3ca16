using System.Globalization;
using Kedge.Demo;

namespace Kedge.Bench.Warp;

/// <summary>The tunnels that are compared.</summary>
internal static class Tunnels
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary><c>kedge warp</c>.</summary>
    public static Tunnel Warp(string program) => new("kedge warp", host =>
    {
        string folder = host.Topology.TempFolder, state = Path.Combine(folder, "state");
        Certify(host, folder);
        RunningProcess listener = host.Start(
            program, "warp", "listen", "--cert", Path.Combine(folder, "server.crt"), "--key", Path.Combine(folder, "server.key"),
            "--ca", Path.Combine(folder, "ca.crt"), "--address", "127.0.0.1", "--publish-address", "127.0.0.1", "--state-dir", state);
        listener.WaitForLine("token ", Patience);
        RunningProcess connector = host.Start(
            program, "warp", "connect", "--server", "127.0.0.1", "--server-name", "server", "--cert", Path.Combine(folder, "client.crt"),
            "--key", Path.Combine(folder, "client.key"), "--ca", Path.Combine(folder, "ca.crt"));
        connector.WaitForLine("Connected to", Patience);
        foreach ((string open, string target) in PortPairs())
            host.Run(program, "warp", "open", "client", open, $"127.0.0.1:{target}", "--token-file", Path.Combine(state, "api-token"));
        return [listener, connector];
    });

    /// <summary>OpenSSH, with its default cipher or another.</summary>
    public static Tunnel Ssh(string name, string[] options) => new(name, host =>
    {
        string folder = host.Topology.TempFolder, hostKey = Path.Combine(folder, "host"), key = Path.Combine(folder, "user");
        foreach (string path in (string[])[hostKey, key])
            host.Run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path);
        Directory.CreateDirectory("/run/sshd"); // sshd wants it, and the package's service makes it too
        RunningProcess server = host.Start(
            "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", hostKey, "-p", "2222", "-o", "ListenAddress=127.0.0.1", "-o", "StrictModes=no",
            "-o", $"AuthorizedKeysFile={key}.pub", "-o", "PermitRootLogin=yes", "-o", "UsePAM=no", "-o", $"PidFile={folder}/sshd.pid");
        server.WaitForLine("Server listening", Patience);
        string[] forwards = [.. PortPairs().SelectMany(pair => (string[])["-R", $"127.0.0.1:{pair.Open}:127.0.0.1:{pair.Target}"])];
        RunningProcess client = host.Start(
        [
            "ssh", "-N", "-F", "/dev/null", "-i", key, "-p", "2222", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "ExitOnForwardFailure=yes", .. options, .. forwards, "root@127.0.0.1",
        ]);
        return [server, client];
    });

    /// <summary>stunnel, with certificates on both sides.</summary>
    public static Tunnel Stunnel() => new("stunnel", host =>
    {
        string folder = host.Topology.TempFolder;
        Certify(host, folder);
        (string Open, string Target)[] pairs = [.. PortPairs()];
        string server = host.Topology.WriteSecret("server.conf", Configuration(folder, "server", isClient: false, index => (Middle(index), pairs[index].Target)));
        string client = host.Topology.WriteSecret("client.conf", Configuration(folder, "client", isClient: true, index => (pairs[index].Open, Middle(index))));
        return [host.Start("stunnel4", server), host.Start("stunnel4", client)];
    });

    private static IEnumerable<(string Open, string Target)> PortPairs() =>
        Enumerable.Range(0, RunningTunnel.Ports).Select(i => (Text(RunningTunnel.PublicPort + i), Text(RunningTunnel.TargetPort + i)));

    private static string Middle(int index) => Text(7200 + index);

    private static string Configuration(string folder, string name, bool isClient, Func<int, (string Accept, string Connect)> ports)
    {
        string common =
            $"""
            foreground = yes
            debug = err
            sslVersion = TLSv1.3
            cert = {folder}/{name}.crt
            key = {folder}/{name}.key
            CAfile = {folder}/ca.crt
            verifyChain = yes
            client = {(isClient ? "yes" : "no")}

            """;
        return common + string.Concat(Enumerable.Range(0, RunningTunnel.Ports).Select(i =>
            $"[tunnel{Text(i)}]\naccept = 127.0.0.1:{ports(i).Accept}\nconnect = 127.0.0.1:{ports(i).Connect}\n"));
    }

    private static void Certify(Host host, string folder)
    {
        host.Run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=ca",
            "-keyout", $"{folder}/ca.key", "-out", $"{folder}/ca.crt");
        foreach (string name in (string[])["server", "client"])
        {
            string extensions = host.Topology.WriteSecret($"{name}.ext", $"extendedKeyUsage={name}Auth\nsubjectAltName=DNS:{name}\n");
            host.Run(
                "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", $"/CN={name}",
                "-keyout", $"{folder}/{name}.key", "-out", $"{folder}/{name}.csr");
            host.Run(
                "openssl", "x509", "-req", "-in", $"{folder}/{name}.csr", "-CA", $"{folder}/ca.crt", "-CAkey", $"{folder}/ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", extensions, "-out", $"{folder}/{name}.crt");
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
