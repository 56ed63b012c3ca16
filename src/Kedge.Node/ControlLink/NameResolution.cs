using System.Net;
using System.Net.Sockets;
using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Resolves the names of a zone's controller and STUN servers. A name that does not resolve keeps the addresses that it had.
/// </summary>
/// <param name="zone">The zone, which is given the addresses.</param>
internal sealed class NameResolution(LinkedZone zone) : IDisposable
{
    private static readonly TimeSpan ResolveInterval = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _lookAgain = new(0, 1);
    private readonly Dictionary<string, IPAddress[]> _known = [];

    private string[] ControllerHosts => [.. zone.Membership.ControllerAddresses.Select(address => address.Url.IdnHost).Distinct()];

    /// <summary>Resolves all names, from time to time and when there are others, until it is canceled.</summary>
    public async Task RunAsync(CancellationToken ending)
    {
        while (true)
        {
            string[] names = [.. zone.StunServerNames], hosts = ControllerHosts;
            List<Endpoint> servers = [];
            List<IpAddress> controller = [];
            foreach (string host in hosts)
                controller.AddRange(await FindAsync(host, ending));
            foreach (string name in names)
            {
                if (EndpointName.TryParse(name) is { } server)
                    servers.AddRange((await FindAsync(server.Host, ending)).Select(address => new Endpoint(address, server.Port)));
            }
            zone.UseUnderlay(controller, [.. servers.Where(StunClient.CanAsk).Distinct().Take(StunClient.MaximumServers)]);
            // At once: a node behind a NAT cannot be reached before a STUN server has seen it.
            zone.Tick();
            Instant end = BootClock.Now + ResolveInterval;
            while (BootClock.Now < end && zone.StunServerNames.SequenceEqual(names) && ControllerHosts.SequenceEqual(hosts))
                await _lookAgain.WaitAsync(LookInterval, ending);
        }
    }

    /// <summary>Has names that are new resolved at once. Any thread.</summary>
    public void LookAgain()
    {
        if (_lookAgain.CurrentCount == 0)
            _lookAgain.Release();
    }

    /// <inheritdoc/>
    public void Dispose() => _lookAgain.Dispose();

    private async Task<IpAddress[]> FindAsync(string host, CancellationToken ending)
    {
        try
        {
            _known[host] = await Dns.GetHostAddressesAsync(host.Trim('[', ']'), ending);
        }
        catch (SocketException)
        {
            // The name server may be away just now.
        }
        return [.. _known.GetValueOrDefault(host, []).Select(address => IpAddress.FromBytes(address.GetAddressBytes()))];
    }
}
