using System.Text;
using Kedge.Protocol.Rosenpass;
using Kedge.Protocol.Toml;

namespace Kedge.Fuzz.Rosenpass;

/// <summary>
/// Configuration files of <c>rosenpass</c> and <c>rp</c>: any text is read or refused, and what is refused says where in the text.
/// </summary>
public sealed class RosenpassConfigurationTarget : Target
{
    public override string Name => "rosenpass-configuration";

    public override int MaximumLength => 512;

    public override int ShortRun => 5_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        .. new[]
        {
            "public_key = ", "secret_key = 's'\n", "listen = []\n", "listen = [\n'[::]:1',", "verbosity = \"Verbose\"\n", "[[peers]]\n", "[peers]\n",
            "endpoint = 'h:1'\n", "device = 'wg0'\n", "peer = ", "wireguard = { interface = ", "}", "\"\\u0041\"", "\\", "# ", "true", "-1", "\r\n",
            "private_keys_dir = 's'\n", "ip = '10.0.0.1/8'\n", "public_keys_dir = 'p'\n", "persistent_keepalive = ", "allowed_ips = '::/0,",
        }.Select(Encoding.UTF8.GetBytes),
    ];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        string text = Encoding.UTF8.GetString(input);
        RosenpassConfiguration? configuration = RosenpassConfiguration.Parse(text, out IReadOnlyList<TomlError> errors);
        trace.Note(2, configuration?.Peers.Count ?? -1);
        Check(text, configuration is null, errors, trace);
        foreach (RosenpassPeerConfiguration peer in configuration?.Peers ?? [])
            Invariant.Holds(peer.ProtocolVersion is null or "V02" or "V03", "a version is one that there is");

        RpConfiguration? rp = RpConfiguration.Parse(text, out errors);
        trace.Note(4, rp?.Peers.Count ?? -1);
        Check(text, rp is null, errors, trace);
        foreach (RpPeerConfiguration peer in rp?.Peers ?? [])
            Invariant.Holds(peer.Endpoint is not { Port: 0 or ushort.MaxValue }, "there is a port for WireGuard");
    }

    private static void Check(string text, bool isRefused, IReadOnlyList<TomlError> errors, Trace trace)
    {
        trace.Note(1, Math.Min(errors.Count, 8));
        Invariant.Equal(isRefused, errors.Count > 0, "there are errors, or there is a configuration");
        int lines = text.Count(letter => letter == '\n') + 1;
        foreach (TomlError error in errors)
        {
            trace.Note(3, error.Key.Length);
            Invariant.Holds(error.Line >= 1 && error.Line <= lines, "an error is in a line that there is");
            Invariant.Holds(error.Message.Length > 10, "an error says what is wrong");
        }
    }
}
