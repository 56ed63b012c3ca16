using System.CommandLine;
using System.Globalization;
using Kedge.Commands.Rosenpass;
using Kedge.Linux.Tun;
using Kedge.Node.KeyExchange;
using Kedge.Node.Uapi;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Commands.Rp;

/// <summary>
/// <c>kedge rp exchange FOLDER … peer FOLDER …</c>: a WireGuard device of this program, and a key exchange that makes its peers and renews
/// their PSKs: WireGuard has no peer before that has a PSK.
/// </summary>
internal sealed class RpExchangeCommand : Command
{
    private readonly Argument<string[]> _words = new("WORDS")
    {
        Description =
            "FOLDER [dev DEVICE] [ip ADDRESS/LENGTH] [listen ADDRESS:PORT], and for each peer: "
            + "peer FOLDER [endpoint HOST:PORT] [persistent-keepalive SECONDS] [allowed-ips PREFIX,...]. "
            + "Rosenpass has PORT and WireGuard PORT + 1, here and at peers; the device is rosenpass0 unless set.",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string> _stateDirectory = Setting.Text(
        "--state-dir", "DIRECTORY", "KEDGE_STATE_DIR", WgCommand.DefaultStateDirectory, "Where to keep what must survive a restart.");

    private readonly Loudness _loudness = new();

    public RpExchangeCommand()
        : base("exchange", "Run a WireGuard device whose preshared keys Rosenpass renews; root's, and without WireGuard in the kernel.")
    {
        Arguments.Add(_words);
        Options.Add(_stateDirectory);
        _words.Validators.Add(result => Usage.Check(result, RpExchange.Parse));
        _loudness.AddTo(this);
        SetAction((call, _) => RunAsync(call));
    }

    private async Task<int> RunAsync(ParseResult call)
    {
        RpExchange exchange = RpExchange.Parse(call.GetRequiredValue(_words));
        var folder = new RpFolder(exchange.Folder);
        RosenpassConfiguration configuration = Configure(exchange, folder);
        var settings = new WgSettings(
            exchange.Device, TunDevice.DefaultMtu, UapiSocket.DefaultDirectory, Path.GetFullPath(call.GetRequiredValue(_stateDirectory)))
        {
            PrivateKeyFile = Path.GetFullPath(folder.WireGuardPrivateKey),
        };
        var log = new LineLog(exchange.Device, _loudness.Of(call, configuration), path: null);
        KeyExchange? keys = null;
        try
        {
            // It ends by signals, as it does alone.
            await WgDevice.RunAsync(settings, log, ready: Begin);
            return 0;
        }
        finally
        {
            keys?.Dispose();
        }

        void Begin()
        {
            SetUp(exchange);
            keys = new KeyExchange(KeyExchangeFiles.Load(configuration), Console.Out, log);
            keys.Start();
        }
    }

    private static RosenpassConfiguration Configure(RpExchange exchange, RpFolder folder) => new()
    {
        PublicKey = folder.RosenpassPublicKey,
        SecretKey = folder.RosenpassSecretKey,
        Listen = exchange.Listen is { } listen ? [listen] : [],
        Peers = [.. exchange.Peers.Select(peer => Configure(exchange.Device, peer))],
    };

    private static RosenpassPeerConfiguration Configure(string device, RpPeer peer)
    {
        var folder = new RpFolder(peer.Folder);
        List<string> extra = [];
        if (peer.Endpoint is { } endpoint)
            extra.AddRange(["endpoint", $"{endpoint with { Port = (ushort)(endpoint.Port + 1) }}"]);
        if (peer.PersistentKeepalive is { } seconds)
            extra.AddRange(["persistent-keepalive", seconds]);
        if (peer.AllowedIps is { } prefixes)
            extra.AddRange(["allowed-ips", prefixes]);
        return new RosenpassPeerConfiguration
        {
            PublicKey = folder.RosenpassPublicKey,
            PreSharedKey = folder.PresharedKey,
            Endpoint = peer.Endpoint,
            WireGuard = new WireGuardOutput(device, folder.ReadWireGuardPublicKey(), extra),
        };
    }

    private static void SetUp(RpExchange exchange)
    {
        if (exchange.Listen is { } listen)
        {
            string port = (listen.Port + 1).ToString(CultureInfo.InvariantCulture);
            ExternalProgram.Run(["wg", "set", exchange.Device, "listen-port", port], []);
        }
        if (exchange.Address is { } address)
            ExternalProgram.Run(["ip", "address", "add", address, "dev", exchange.Device], []);
        ExternalProgram.Run(["ip", "link", "set", exchange.Device, "up"], []);
    }
}
