using System.Collections.Concurrent;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Control.Push;

/// <summary>
/// Tells nodes their maps: follows the store's changes, hands them to the feeds of their zones, and serves map streams. Any thread.
/// </summary>
/// <param name="sources">Where it has what it tells.</param>
/// <param name="save">Keeps where nodes were last reached, in batches; null where nothing keeps it.</param>
/// <param name="log">Where it tells what happens.</param>
internal sealed class MapPush(PushSources sources, Func<IReadOnlyList<KnownEndpoints>, Task>? save, ILogger log) : IAsyncDisposable
{
    /// <summary>How fast the nodes of a controller that ends are to come back to the next.</summary>
    public const int ReturningPerSecond = 25;

    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);
    private const int TicksPerSave = 10;

    private readonly ConcurrentDictionary<Guid, Lazy<Task<ZoneFeed?>>> _feeds = new();
    private readonly ConcurrentDictionary<ZoneFeed, bool> _live = new(); // all that are to hear of changes, also while they are loaded
    private readonly CancellationTokenSource _ending = new();
    private long _revision;
    private Task _following = Task.CompletedTask;
    private Task _ticking = Task.CompletedTask;
    private int _open;
    private volatile bool _isStopping;

    /// <summary>Which map each node has.</summary>
    public Acknowledgements Acknowledgements { get; } = new();

    /// <summary>Which nodes are two machines.</summary>
    public DuplicateWatch Duplicates { get; } = new(sources.Clock);

    /// <summary>Told each node that has changed or is gone, and an empty identifier where that can be any; may be told twice.</summary>
    public Action<Guid>? NodeChanged { get; set; }

    /// <summary>How many streams are open.</summary>
    public int OpenStreams => _open;

    /// <summary>Begins to follow the store.</summary>
    public void Start()
    {
        _revision = sources.Map.Revision;
        _following = FollowAsync();
        _ticking = TickAsync();
    }

    /// <summary>A node has said where it is reached.</summary>
    public void Report(Guid zone, Guid node, IReadOnlyList<NodeEndpoint> endpoints)
    {
        if (sources.Endpoints.Report(zone, node, endpoints))
            StageEndpoints(zone, node);
    }

    /// <summary>Finds where a node reads its map: all its streams, of which one may be that of a connection that has broken.</summary>
    /// <param name="zone">The node's zone.</param>
    /// <param name="node">The node.</param>
    /// <returns>What sends the node an introduction, without waiting; null for a node that has no stream open.</returns>
    public Action<byte[]>? FindStreams(Guid zone, Guid node)
    {
        MapSubscription[] streams = [.. LiveOf(zone).SelectMany(feed => feed.StreamsOf(node))];
        return streams.Length == 0 ? null : frame => Array.ForEach(streams, stream => stream.Introduce(frame));
    }

    /// <summary>Opens a node's stream.</summary>
    /// <param name="zone">The node's zone.</param>
    /// <param name="node">The node.</param>
    /// <param name="identityHash">The SHA-256 of the identity key that it has shown, 32 bytes.</param>
    /// <param name="source">The address that it connects from.</param>
    /// <param name="compressed">Whether it reads gzip.</param>
    /// <param name="cancellation">The node is gone.</param>
    /// <returns>The stream, to be run and then closed; null where there is no such zone, or the controller ends.</returns>
    /// <exception cref="StoreException">The store cannot be read.</exception>
    public async Task<OpenStream?> OpenAsync(Guid zone, Guid node, byte[] identityHash, string source, bool compressed, CancellationToken cancellation)
    {
        while (!_isStopping)
        {
            Lazy<Task<ZoneFeed?>> making = _feeds.GetOrAdd(zone, _ => new Lazy<Task<ZoneFeed?>>(() => MakeAsync(zone)));
            ZoneFeed? feed;
            try
            {
                feed = await making.Value.WaitAsync(cancellation);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                _feeds.TryRemove(new(zone, making));
                throw;
            }
            if (feed is null)
            {
                _feeds.TryRemove(new(zone, making));
                return null;
            }
            var stream = new MapSubscription(feed, node, identityHash, source, compressed, sources);
            if (feed.Add(stream))
            {
                Interlocked.Increment(ref _open);
                Duplicates.Opened(stream);
                return new OpenStream(this, feed, stream);
            }
            _feeds.TryRemove(new(zone, making));
        }
        return null;
    }

    /// <summary>Ends all streams, each with a word of when to come back, and keeps what is to be kept.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isStopping)
            return;
        _isStopping = true;
        ZoneFeed[] feeds = [.. Live()];
        MapSubscription[] streams = [.. feeds.SelectMany(feed => feed.Streams)];
        var spread = TimeSpan.FromSeconds(Math.Clamp((double)streams.Length / ReturningPerSecond, 5, 300));
        foreach (MapSubscription stream in streams)
            stream.SayBye(spread);
        long start = sources.Clock.GetTimestamp();
        while (OpenStreams > 0 && sources.Clock.GetElapsedTime(start) < 3 * Tick)
            await Task.Delay(TimeSpan.FromMilliseconds(20), sources.Clock);
        await _ending.CancelAsync();
        foreach (ZoneFeed feed in feeds)
            feed.End();
        await Task.WhenAll(_following, _ticking);
        await SaveAsync();
        _ending.Dispose();
    }

    private async Task<ZoneFeed?> MakeAsync(Guid zone)
    {
        var feed = ZoneFeed.Create(zone, sources, log);
        _live[feed] = true; // before it is loaded, so that no change falls between the two
        try
        {
            return await feed.LoadAsync(_ending.Token) ? feed : null;
        }
        catch
        {
            feed.End();
            throw;
        }
    }

    private IEnumerable<ZoneFeed> Live()
    {
        foreach (ZoneFeed feed in _live.Keys)
        {
            if (!feed.IsBroken)
                yield return feed;
            else
                _live.TryRemove(feed, out _);
        }
    }

    private IEnumerable<ZoneFeed> LiveOf(Guid zone) => Live().Where(feed => feed.Zone == zone);

    private void StageEndpoints(Guid zone, Guid node)
    {
        foreach (ZoneFeed feed in LiveOf(zone))
            feed.StageEndpoints(node);
    }

    private async Task FollowAsync()
    {
        while (!_ending.IsCancellationRequested)
        {
            try
            {
                await sources.Map.WaitForChangeAsync(_revision, _ending.Token);
                IReadOnlyList<MapChange>? changes = await sources.Map.ReadChangesAsync(_revision, _ending.Token);
                foreach (Guid node in changes?.Where(change => change.Subject == MapSubject.Node).Select(change => change.Id) ?? [Guid.Empty])
                    NodeChanged?.Invoke(node);
                long revision = changes is null ? sources.Map.Revision : changes.Count == 0 ? _revision : changes[^1].Revision;
                foreach (ZoneFeed feed in Live())
                {
                    if (changes is null)
                        feed.StageAll(revision);
                    else
                        feed.Stage(revision, changes.Where(change => change.Zone == feed.Zone || change.Zone == Guid.Empty));
                }
                foreach (MapChange gone in changes?.Where(change => change is { Removed: true, Subject: MapSubject.Node }) ?? [])
                {
                    sources.Endpoints.Forget(gone.Id);
                    Acknowledgements.Forget(gone.Id);
                }
                _revision = revision;
            }
            catch (OperationCanceledException) when (_ending.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Nobody is told anything that is not certain; the changes stay where they are and are read later.
                Log.ChangesUnreadable(log, e.Message);
                await Task.Delay(Tick, sources.Clock, _ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task TickAsync()
    {
        using var timer = new PeriodicTimer(Tick, sources.Clock);
        int tick = 0;
        await BackgroundLoop.RunAsync(RunRoundAsync, e => Log.WorkFailed(log, e, "The push of maps"), sources.Clock, _ending.Token);

        async Task RunRoundAsync(CancellationToken ending)
        {
            await timer.WaitForNextTickAsync(ending);
            foreach ((Guid zone, Guid node) in sources.Endpoints.TakeDue())
                StageEndpoints(zone, node);
            Duplicates.Tick();
            long now = sources.Clock.GetTimestamp();
            foreach (MapSubscription stream in Live().SelectMany(feed => feed.Streams))
                stream.WakeIfDue(now);
            if (++tick % TicksPerSave == 0)
                await SaveAsync();
        }
    }

    private async Task SaveAsync()
    {
        IReadOnlyList<KnownEndpoints> unwritten = sources.Endpoints.TakeUnwritten();
        if (save is null || unwritten.Count == 0)
            return;
        try
        {
            await save(unwritten);
        }
        catch (Exception e) when (e is StoreException or ObjectDisposedException)
        {
            // They are told anew by their nodes; only after a restart something older is served until then.
            Log.EndpointsUnwritten(log, e.Message);
        }
    }

    /// <summary>A stream that is counted as open until it is disposed.</summary>
    internal sealed class OpenStream(MapPush push, ZoneFeed feed, MapSubscription stream) : IDisposable
    {
        /// <summary>The stream.</summary>
        public MapSubscription Stream => stream;

        public void Dispose()
        {
            push.Duplicates.Closed(stream);
            feed.Remove(stream);
            Interlocked.Decrement(ref push._open);
        }
    }
}
