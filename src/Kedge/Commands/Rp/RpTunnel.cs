using Kedge.Linux.Processes;
using Kedge.Linux.Tun;
using Kedge.Node.KeyExchange;
using Kedge.Node.Uapi;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;
using Microsoft.Extensions.Logging;

namespace Kedge.Commands.Rp;

/// <summary>
/// A WireGuard device, and a key exchange that renews the PSKs of its peers, in one process. No peer is without a PSK at any time.
/// </summary>
/// <param name="configuration">What it is made of.</param>
/// <param name="stateDirectory">Where the device keeps what must survive a restart.</param>
/// <param name="runDirectory">Where it keeps, for <c>kedge status</c>, when keys were last exchanged.</param>
/// <param name="log">Where it tells what happens.</param>
internal sealed class RpTunnel(RpConfiguration configuration, string stateDirectory, string runDirectory, ILogger log)
{
    private readonly RpFolder _folder = new(configuration.SecretKeys);

    /// <summary>Runs it until SIGTERM or SIGINT, or until the interface is deleted.</summary>
    /// <exception cref="UserError">A file, an address or a route is not what it should be.</exception>
    public async Task RunAsync()
    {
        var settings = new WgSettings(configuration.Device, TunDevice.DefaultMtu, UapiSocket.DefaultDirectory, stateDirectory)
        {
            PrivateKeyFile = Path.GetFullPath(_folder.WireGuardPrivateKey),
            ListenPort = configuration.Listen is { } listen ? NextPort(listen.Port) : (ushort)0,
            PortAdvice = "WireGuard uses the port after that of 'listen': choose another one there.",
        };
        using var keys = new KeyExchange(LoadKeys(), StandardStreams.WriteLine, log);
        await WgDevice.RunAsync(settings, log, ready: () =>
        {
            RpInterface.SetUp(configuration, log);
            keys.Start();
            string ports = string.Join(", ", keys.Ports);
            Log.ExchangesKeys(log, configuration.Peers.Count, ports);
            return keys.Ended;
        });
    }

    private KeyExchangeSettings LoadKeys()
    {
        var rosenpass = new RosenpassConfiguration
        {
            PublicKey = _folder.RosenpassPublicKey,
            SecretKey = _folder.RosenpassSecretKey,
            Listen = configuration.Listen is { } listen ? [listen] : [],
            Peers =
            [
                .. from peer in configuration.Peers
                   let folder = new RpFolder(peer.PublicKeys)
                   select new RosenpassPeerConfiguration
                   {
                       PublicKey = folder.RosenpassPublicKey,
                       PreSharedKey = folder.PresharedKey,
                       Endpoint = peer.Endpoint,
                       ProtocolVersion = peer.ProtocolVersion,
                   },
            ],
        };
        return KeyExchangeFiles.Load(rosenpass, [.. configuration.Peers.Select(PeerOfDevice)]) with { RunDirectory = runDirectory };
    }

    private DevicePeer PeerOfDevice(RpPeerConfiguration peer) =>
        new(UapiSocket.DefaultDirectory, configuration.Device, new RpFolder(peer.PublicKeys).ReadWireGuardPublicKey())
        {
            Endpoint = peer.Endpoint is { } endpoint ? endpoint with { Port = NextPort(endpoint.Port) } : null,
            PersistentKeepalive = peer.PersistentKeepalive,
            AllowedIps = peer.AllowedIps,
        };

    // RpConfiguration has no port without a next one.
    private static ushort NextPort(ushort port) => (ushort)(port + 1);
}
