using Kedge.Linux.Tun;
using Kedge.Node.KeyExchange;
using Kedge.Node.Uapi;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;
using Microsoft.Extensions.Logging;

namespace Kedge.Commands.Rp;

/// <summary>
/// A WireGuard device, and a key exchange that makes its peers and renews their PSKs, in one process: WireGuard has no peer before that
/// has a PSK.
/// </summary>
/// <param name="configuration">What it is made of.</param>
/// <param name="stateDirectory">Where the device keeps what must survive a restart.</param>
/// <param name="log">Where it tells what happens.</param>
internal sealed class RpTunnel(RpConfiguration configuration, string stateDirectory, ILogger log)
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
        };
        using var keys = new KeyExchange(LoadKeys(), Console.Out, log);
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
        return KeyExchangeFiles.Load(rosenpass, [.. configuration.Peers.Select(PeerOfDevice)]);
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
