using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Node.Routing;
using Kedge.Protocol.Ip;
using Kedge.Threading;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Watches the machine on behalf of a zone: other programs may take its routes away, or change the firewall and settings that let its
/// packets pass.
/// </summary>
/// <param name="zone">The zone.</param>
/// <param name="problems">Receives what is in the way of packets.</param>
internal sealed class HostWatch(LinkedZone zone, Problems problems)
{
    /// <summary>A program that deletes one route often deletes more of them: they are put back together.</summary>
    private static readonly TimeSpan SettleTime = TimeSpan.FromMilliseconds(50);

    /// <summary>Bounds what a fight with another program about routes costs.</summary>
    private static readonly TimeSpan PutBackInterval = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan ResubscribeInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan ReadyInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>Puts back addresses, routes and rules that another program takes away, until the watch ends.</summary>
    public Task WatchRoutesAsync(CancellationToken ending) => DedicatedThread.RunAsync(
        "routes",
        () =>
        {
            using RouteWatch? watch = TryWatchRoutes();
            using CancellationTokenRegistration registration = ending.Register(() => watch?.Cancel());
            while (watch?.Wait() == true)
            {
                ending.WaitHandle.WaitOne(SettleTime);
                zone.PutBackRoutes();
                ending.WaitHandle.WaitOne(PutBackInterval);
            }
            if (watch is null)
                ending.WaitHandle.WaitOne(ResubscribeInterval);
        });

    /// <summary>Checks from time to time whether the machine still lets packets pass.</summary>
    public async Task CheckAsync(CancellationToken ending)
    {
        var checks = new HostChecks(zone.InterfaceName, problems);
        while (!zone.IsReady)
            await Task.Delay(ReadyInterval, ending);
        for (; ; await Task.Delay(CheckInterval, ending))
        {
            Membership membership = zone.Membership;
            try
            {
                NetworkNamespace? inside = membership.Settings.OpenNamespace();
                IpPrefix[] childPrefixes = [.. membership.ChildPrefixes.Select(text => IpPrefix.Parse(text))];
                await Task.Run(() => checks.CheckForwarding(childPrefixes, inside), ending);
                if (inside is null)
                    checks.CheckSources(zone.Below.Port, membership.Settings.Mark, zone.Below.Endpoints);
            }
            catch (LinuxException)
            {
                // The namespace, or the interface, is gone just now; that is reported elsewhere.
            }
        }
    }

    // Null while the interface's namespace does not exist.
    private RouteWatch? TryWatchRoutes()
    {
        try
        {
            return new RouteWatch(zone.InterfaceName, zone.Membership.Settings.OpenNamespace());
        }
        catch (LinuxException)
        {
            return null;
        }
    }
}
