using System.Diagnostics.Metrics;
using Kedge.Control.Introductions;
using Kedge.Control.Push;
using Kedge.Protocol.Api;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.Push;

/// <summary>The push side on a store in memory and a clock that the test moves.</summary>
internal sealed class PushFixture : IAsyncDisposable
{
    private readonly Meter _meter = new("test");
    private readonly List<Reader> _readers = [];

    public PushFixture(MemoryMapSource? store = null)
    {
        Store = store ?? new MemoryMapSource();
        Endpoints = new EndpointBoard(Clock);
        var sources = new PushSources(
            Store, Endpoints, () => new TrustResource([[1]], []), () => new SettingsResource(["stun.example:3478"]), new PushCounters(_meter), Clock);
        Push = new MapPush(sources, known =>
        {
            Saved.AddRange(known);
            return Task.CompletedTask;
        }, NullLogger.Instance);
        Introducer = new Introducer(Store, Push.FindStreams, _meter, Clock);
        Push.Start();
    }

    public ManualClock Clock { get; } = new();

    public MemoryMapSource Store { get; }

    public EndpointBoard Endpoints { get; }

    public MapPush Push { get; }

    public Introducer Introducer { get; }

    /// <summary>The endpoints that were written down.</summary>
    public List<KnownEndpoints> Saved { get; } = [];

    /// <summary>Connects a node that has nothing yet, or goes on with what an earlier reader has.</summary>
    public async Task<Reader> ConnectAsync(int number, Reader? before = null, byte[]? identity = null, int pauseAt = 1 << 20, string source = "192.0.2.1")
    {
        var reader = new Reader(number, before, pauseAt);
        MapPush.OpenStream open = (await Push.OpenAsync(
            MemoryMapSource.ZoneId, reader.Id, identity ?? MemoryMapSource.Identity(number), source, compressed: false, TestContext.Current.CancellationToken))!;
        reader.Start(open);
        lock (_readers)
            _readers.Add(reader);
        return reader;
    }

    /// <summary>Lets what waits for the processor go first, or the clock would run away from it.</summary>
    public static async Task OthersAsync()
    {
        // As long as anybody waits on a busy machine, though others' tests may keep it so.
        const int Least = 4, Most = 500;
        for (int i = 0; i < Least || (i < Most && ThreadPool.PendingWorkItemCount > 0); i++)
            await Task.Run(Thread.Yield);
    }

    /// <summary>Waits until something holds, while the clock stands still: nothing that is put off for a while happens.</summary>
    public static async Task AtOnceAsync(Func<bool> condition)
    {
        var patience = System.Diagnostics.Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(patience.Elapsed < TimeSpan.FromSeconds(20), "Waited in vain.");
            await OthersAsync();
        }
    }

    /// <summary>Lets a little time pass again and again, as it does, until something holds.</summary>
    public async Task UntilAsync(Func<bool> condition, string what)
    {
        var patience = System.Diagnostics.Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(patience.Elapsed < TimeSpan.FromSeconds(20), $"Waited in vain for {what}.");
            Clock.Advance(TimeSpan.FromMilliseconds(20));
            await OthersAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Reader reader in _readers)
            await reader.DisposeAsync();
        Task ending = Push.DisposeAsync().AsTask();
        await UntilAsync(() => ending.IsCompleted, "the end");
        await ending;
        _meter.Dispose();
    }
}
