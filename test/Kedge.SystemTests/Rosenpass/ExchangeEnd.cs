using System.Collections.Concurrent;
using Kedge.Demo;
using Kedge.Linux.Files;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Rosenpass;

/// <summary>
/// <c>kedge rosenpass</c>, or another such program, at one end of a <see cref="Tunnel"/>, for whose PSK it is responsible.
/// </summary>
internal sealed class ExchangeEnd
{
    /// <summary>The UDP port of every end; each has a machine of its own.</summary>
    public const int Port = 9999;

    private static readonly ConcurrentDictionary<string, (byte[] Public, byte[] Secret)> KeysOfKedge = [];

    private readonly TunnelEnd _end;
    private readonly RosenpassProgram _program;

    /// <summary>Gives the end its key pair.</summary>
    /// <param name="end">The end.</param>
    /// <param name="program">What runs there, and makes its keys; null for Kedge, whose keys are the same in each test, for they take time.</param>
    public ExchangeEnd(TunnelEnd end, RosenpassProgram? program = null)
    {
        (_end, _program) = (end, program ?? RosenpassProgram.Kedge);
        if (program is null && KeysOfKedge.TryGetValue(end.Host.Label, out (byte[] Public, byte[] Secret) keys))
        {
            File.WriteAllBytes(PublicKey, keys.Public);
            PrivateFile.Write(SecretKey, keys.Secret);
            return;
        }
        Run("gen-keys", "-p", PublicKey, "-s", SecretKey);
        if (program is null)
            KeysOfKedge[end.Host.Label] = (File.ReadAllBytes(PublicKey), File.ReadAllBytes(SecretKey));
    }

    public string PublicKey => PathOf("public");

    public string SecretKey => PathOf("secret");

    /// <summary>The file that the output key is written to.</summary>
    public string KeyFile => PathOf("out");

    /// <summary>The configuration.</summary>
    public string Configuration => PathOf("toml");

    /// <summary>The PSK of the only peer, as <c>wg</c> has it; <c>(none)</c> for none.</summary>
    public string PresharedKey => _end.Device.Show("preshared-keys").Trim().Split('\t')[1];

    /// <summary>Writes the configuration.</summary>
    /// <param name="other">The other end.</param>
    /// <param name="endpoint">Where that is; null when it comes to us.</param>
    /// <param name="version">What it speaks; null for what releases speak.</param>
    /// <param name="listen">Where to receive; null for everywhere.</param>
    public void Configure(ExchangeEnd other, string? endpoint, string? version, string? listen = null) => File.WriteAllText(
        Configuration,
        $"""
        public_key = "{PublicKey}"
        secret_key = "{SecretKey}"
        listen = [{(listen is null ? $"\"[::]:{Port}\", \"0.0.0.0:{Port}\"" : $"\"{listen}\"")}]
        [[peers]]
        public_key = "{other.PublicKey}"
        key_out = "{KeyFile}"
        {_program.WireGuardOutput(_end.Device.Name, other._end.Device.Keys.PublicKey)}
        {(endpoint is null ? "" : $"endpoint = \"{endpoint}\"")}
        {(version is null ? "" : $"protocol_version = \"{version}\"")}

        """);

    /// <summary>What starts it.</summary>
    public IReadOnlyList<string> StartCommand =>
        ["env", $"KEDGE_RUN_DIR={_end.Host.Topology.TempFolder}/run", .. _program.Line, "exchange-config", Configuration];

    /// <summary>Starts it.</summary>
    public RunningProcess Start() => _end.Host.Start([.. StartCommand]);

    /// <summary>Runs another command of it to its end.</summary>
    public CommandResult Run(params string[] arguments) => _end.Host.Run([.. _program.Line, .. arguments]);

    private string PathOf(string name) => Path.Combine(_end.Host.Topology.TempFolder, $"{_end.Host.Label}.{name}");
}
