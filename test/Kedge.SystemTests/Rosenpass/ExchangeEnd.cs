using Kedge.Demo;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Rosenpass;

/// <summary><c>kedge rosenpass</c> at one end of a <see cref="Tunnel"/>, for whose PSK it is responsible.</summary>
internal sealed class ExchangeEnd
{
    /// <summary>The UDP port of every end; each has a machine of its own.</summary>
    public const int Port = 9999;

    private readonly TunnelEnd _end;

    /// <summary>Makes the end's key pair.</summary>
    public ExchangeEnd(TunnelEnd end)
    {
        _end = end;
        Run("gen-keys", "-p", PublicKey, "-s", SecretKey);
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
        device = "{_end.Device.Name}"
        peer = "{other._end.Device.Keys.PublicKey}"
        {(endpoint is null ? "" : $"endpoint = \"{endpoint}\"")}
        {(version is null ? "" : $"protocol_version = \"{version}\"")}

        """);

    /// <summary>Starts it.</summary>
    public RunningProcess Start() => _end.Host.Start(Repository.Program, "rosenpass", "exchange-config", Configuration);

    /// <summary>Runs another command of it to its end.</summary>
    public CommandResult Run(params string[] arguments) => _end.Host.Run([Repository.Program, "rosenpass", .. arguments]);

    private string PathOf(string name) => Path.Combine(_end.Host.Topology.TempFolder, $"{_end.Host.Label}.{name}");
}
