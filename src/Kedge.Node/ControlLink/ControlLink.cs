using Kedge.Linux.Processes;
using Kedge.Node.Keys;
using Kedge.Node.PortMapping;
using Kedge.Protocol;
using Kedge.Protocol.Mesh;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// The control link of one joined zone, as a process: it follows the map of the controller, and keeps the node process, the routes and the
/// disk at what the map says. It starts from what is on disk, and whatever goes away later (the controller, the node process, the disk), it
/// goes on with the rest. Killed at any moment it loses no packet, because none passes through it. Where the network has no controller, the map is
/// made of the nodes that have been introduced.
/// </summary>
public sealed class ControlLink : IDisposable
{
    private static readonly TimeSpan TickInterval = TimeSpan.FromSeconds(1);

    private readonly RunFolder _run;
    private readonly NodeKeys _keys;
    private readonly LinkedZone _zone;
    private readonly PortMapper _portMapper;
    private readonly RenewalSchedule _renewal;
    private readonly MapFollower _follower;
    private readonly NameResolution _names;
    private readonly HostWatch _host;
    private readonly DeviceWatch _device;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _renewing = new();

    /// <summary>Puts the parts together; nothing happens before <see cref="RunAsync"/>.</summary>
    /// <param name="folder">The node's folder: it has joined.</param>
    /// <param name="run">The interface's runtime folder, which exists.</param>
    /// <param name="runtimeDirectory">Where the node process's socket is.</param>
    /// <param name="log">Receives what happens.</param>
    /// <exception cref="UserError">The interface has not joined, or what is on disk cannot be used.</exception>
    public ControlLink(NodeFolder folder, RunFolder run, string runtimeDirectory, ILogger log)
    {
        Membership membership = Membership.Read(folder) ?? throw NotJoined(folder, "has not joined a network");
        CertificateFile certificate = CertificateFile.Read(folder.Certificate) ?? throw NotJoined(folder, "has no certificate yet");
        (_run, _log) = (run, log);
        var problems = new Problems(log);
        _keys = NodeKeys.Open(folder.Keys, membership.Settings.PrivateKeyFile);
        if (!_keys.IsIdentityOf(certificate.Node))
            throw Joining.LostIdentity(folder);
        var process = new NodeProcess(runtimeDirectory, folder.InterfaceName, problems);
        _portMapper = new PortMapper(_keys.WireGuardKey, log);
        _zone = new LinkedZone(folder, membership, certificate, _keys, process, new VerifiedCertificates(), _portMapper, problems, log);
        _renewal = new RenewalSchedule(Random.Shared);
        if (membership.HasController)
            _renewal.Plan(certificate.Node, DateTimeOffset.UtcNow);
        _device = new DeviceWatch(_zone, process, log);
        var reports = new ControllerReports(_zone, _device, _renewal, problems);
        _names = new NameResolution(_zone);
        _follower = new MapFollower(folder, _zone, _keys, reports, _device, _names, problems, log);
        _device.AddressLost += _follower.Reconnect;
        _device.Wished += IntroduceWithoutController;
        _portMapper.Changed += _device.Look;
        _host = new HostWatch(_zone, problems);
    }

    /// <summary>Runs until it is cancelled, or until what the node has joined is another than it started with.</summary>
    /// <param name="ready">Called once the node process and the routes are as the map on disk has them.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>Whether another link is to be made from what is on disk by now.</returns>
    /// <exception cref="UserError">Another control link has the interface.</exception>
    public async Task<bool> RunAsync(Action ready, CancellationToken cancellation)
    {
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _renewing.Token);
        CancellationToken ending = both.Token;
        using ProcessLock claim = ProcessLock.TryTake(_run.LinkLock)
            ?? throw new UserError(
                $"Another control link runs for this interface, process {ProcessLock.Holder(_run.LinkLock)?.Id}. 'kedge down' ends it.");
        await using var status = new StatusSocket(
            _run.StatusSocket, () => _device.Introductions.AddTo(_zone.Status(_follower.Connection, _renewal.DueAt)), TimeProvider.System, _log);
        await Task.WhenAll(
            Forever(() => TickAsync(ready, ending), ending),
            Forever(() => _names.RunAsync(ending), ending),
            Forever(() => _portMapper.RunAsync(ending), ending),
            Forever(() => _device.RunAsync(ending), ending),
            Forever(() => _host.WatchRoutesAsync(ending), ending),
            Forever(() => _host.CheckAsync(ending), ending),
            _zone.Membership.HasController ? Forever(() => _follower.RunAsync(Renew, ending), ending) : Forever(() => _zone.DiscoverAsync(ending), ending));
        return !cancellation.IsCancellationRequested;
    }

    /// <summary>Has <see cref="RunAsync"/> end, because the settings on disk have changed. Any thread.</summary>
    public void Renew()
    {
        try
        {
            _renewing.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has ended already.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _zone.Dispose();
        _portMapper.Dispose();
        _keys.Dispose();
        _renewing.Dispose();
        _follower.Dispose();
        _device.Dispose();
        _names.Dispose();
    }

    private static UserError NotJoined(NodeFolder folder, string what) => new(
        $"{folder.InterfaceName} {what}: there is nothing to run it with in {folder.Path}. "
        + $"Join with 'kedge up --interface {folder.InterfaceName} --join-file FILE'.");

    private void IntroduceWithoutController(IntroductionWanted wish)
    {
        if (_follower.Connection.Connected)
            return;
        _zone.IntroduceByPeers(wish);
        _follower.Hurry();
    }

    // A defect in one part must not end the others.
    private Task Forever(Func<Task> run, CancellationToken ending) =>
        BackgroundLoop.RunAsync(_ => run(), exception => Log.LinkFailed(_log, exception), TimeProvider.System, ending);

    private async Task TickAsync(Action ready, CancellationToken ending)
    {
        bool wasReady = false;
        while (true)
        {
            _zone.Tick();
            if (!wasReady && _zone.IsReady)
            {
                wasReady = true;
                ready();
            }
            // Until it is ready somebody waits for it.
            await Task.Delay(wasReady ? TickInterval : TickInterval / 10, ending);
        }
    }
}
