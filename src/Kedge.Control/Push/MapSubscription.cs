using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Threading.Channels;
using Kedge.Protocol.Api;
using Kedge.Protocol.Mesh;

namespace Kedge.Control.Push;

/// <summary>
/// One node's map stream: a position, and a pipe to write to. Nothing is queued for it; when it can be written to, it is brought from
/// where it is to where the zone is by then. A node that does not read keeps one slice of bytes waiting, and is cut off after a while. Only
/// introductions, which are of use for a moment, wait in a queue, which is short.
/// </summary>
/// <param name="feed">What it reads.</param>
/// <param name="node">The node that reads.</param>
/// <param name="identityHash">The SHA-256 of the identity key that it has shown.</param>
/// <param name="source">The address that it connects from.</param>
/// <param name="compressed">Whether it reads gzip.</param>
/// <param name="sources">Where the push side has what it tells.</param>
[SuppressMessage("Design", "CA1001", Justification = "A cancellation source without a timer holds nothing that has to be disposed.")]
internal sealed class MapSubscription(ZoneFeed feed, Guid node, byte[] identityHash, string source, bool compressed, PushSources sources)
{
    /// <summary>How many streams of one node may be open: it comes back before the end of an old one is noticed.</summary>
    public const int MostOfOneNode = 2;

    /// <summary>How long a slice may wait until the node has read what was before it.</summary>
    public static readonly TimeSpan WriteDeadline = TimeSpan.FromSeconds(30);

    /// <summary>The shortest and longest time between two signs of life.</summary>
    public static readonly TimeSpan ShortestSilence = TimeSpan.FromSeconds(25), LongestSilence = TimeSpan.FromSeconds(30);

    /// <summary>How many introductions wait for a node that does not read. Then the oldest is dropped.</summary>
    public const int MostIntroductions = 64;

    private const int SliceSize = 16384;
    private static long _numbers;

    private readonly Channel<bool> _wakes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Channel<byte[]> _introductions = Channel.CreateBounded<byte[]>(
        new BoundedChannelOptions(MostIntroductions) { FullMode = BoundedChannelFullMode.DropOldest },
        _ => sources.Counters.DroppedIntroductions.Add(1));

    private readonly CancellationTokenSource _closing = new();
    private long? _position; // in the feed's sequence; null before the first map
    private bool _isFirst = true; // it has not been up to date yet
    private long _bookmarkAt;
    private TimeSpan? _bye;
    private RefusalReason _byeReason;
    private byte[]? _question; // a frame that is to be written
    private byte[]? _duplicates; // likewise

    /// <summary>The node that reads.</summary>
    public Guid Node => node;

    /// <summary>The address that the node connects from.</summary>
    public string Source => source;

    /// <summary>The SHA-256 of the identity key that it has shown.</summary>
    public ReadOnlySpan<byte> IdentityHash => identityHash;

    /// <summary>Counts streams in the order in which they were opened.</summary>
    public long Number { get; } = Interlocked.Increment(ref _numbers);

    /// <summary>Whether it is to end at once.</summary>
    public bool IsClosing => _closing.IsCancellationRequested;

    /// <summary>There is something new, or may be.</summary>
    public void Wake() => _wakes.Writer.TryWrite(true);

    /// <summary>Wakes the stream if it is time for a sign of life.</summary>
    public void WakeIfDue(long timestamp)
    {
        if (timestamp >= Interlocked.Read(ref _bookmarkAt))
            Wake();
    }

    /// <summary>Ends the stream at once.</summary>
    public void Close() => _ = _closing.CancelAsync(); // what it ends must not run under the lock of who ends it

    /// <summary>Ends the stream as soon as possible, with a word of when to come back.</summary>
    public void SayBye(TimeSpan spread)
    {
        _bye = spread;
        Wake();
    }

    /// <summary>Ends the stream, which tells the node why it gets no more. A node that has not read what came before it is cut off.</summary>
    public void Dismiss(RefusalReason reason)
    {
        _byeReason = reason;
        SayBye(TimeSpan.Zero);
    }

    /// <summary>Asks the node whether it reads this stream; one question at a time, the last.</summary>
    public void Ask(Guid question)
    {
        Interlocked.Exchange(ref _question, MapFrameWriter.Question(question));
        Wake();
    }

    /// <summary>Tells the node from where another machine uses its keys; null for none.</summary>
    public void TellDuplicates(string? others)
    {
        Interlocked.Exchange(ref _duplicates, MapFrameWriter.Duplicates(others));
        Wake();
    }

    /// <summary>Tells the node of an introduction, once it has a map and has read what came before. Never waits.</summary>
    /// <param name="frame">The frame; not changed from now on.</param>
    public void Introduce(byte[] frame)
    {
        _introductions.Writer.TryWrite(frame);
        Wake();
    }

    /// <summary>Writes until the node goes, or is not to be served any more.</summary>
    /// <param name="from">What the node has.</param>
    /// <param name="output">Where to write.</param>
    /// <param name="cancellation">The node is gone.</param>
    /// <exception cref="OperationCanceledException">The stream is to be cut off: nothing more can, or is to be, written to it.</exception>
    public async Task RunAsync(MapPosition from, PipeWriter output, CancellationToken cancellation)
    {
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _closing.Token);
        CancellationToken end = ending.Token;
        Segment? first = await feed.ResumeAsync(from, end);
        _isFirst = first is null;
        await WriteAsync(output, Single(MapFrameWriter.Open(sources.Map.StoreId, feed.Epoch, sources.Clock.GetUtcNow())), end);
        if (Interlocked.Exchange(ref _duplicates, null) is { } duplicates)
            await WriteAsync(output, Single(duplicates), end);
        if (first is not null && !IsDismissed)
            await WriteAsync(output, first, end);
        while (true)
        {
            if (_bye is { } spread)
            {
                await WriteAsync(output, Single(MapFrameWriter.Bye(spread, _byeReason)), end);
                return;
            }
            if ((Interlocked.Exchange(ref _duplicates, null) ?? Interlocked.Exchange(ref _question, null)) is { } note)
            {
                await WriteAsync(output, Single(note), end);
            }
            else if (_position is not null && _introductions.Reader.TryRead(out byte[]? introduction))
            {
                await WriteAsync(output, Single(introduction), end);
            }
            else if (feed.Next(_position) is { } segment)
            {
                // What is new may be the very change by which the node lost its part in it.
                if (!IsDismissed)
                    await WriteAsync(output, segment, end);
            }
            else if (_isFirst)
            {
                _isFirst = false;
            }
            else if (sources.Clock.GetTimestamp() >= Interlocked.Read(ref _bookmarkAt))
            {
                await WriteBookmarkAsync(output, end);
            }
            else
            {
                await _wakes.Reader.ReadAsync(end);
            }
        }
    }

    private async ValueTask WriteAsync(PipeWriter output, Segment segment, CancellationToken end)
    {
        (segment.IsSnapshot ? sources.Counters.Snapshots : sources.Counters.Deltas).Add(1);
        await WriteAsync(output, segment.Bytes(compressed), end);
        _position = segment.To;
    }

    private async ValueTask WriteBookmarkAsync(PipeWriter output, CancellationToken end)
    {
        FeedHead head = feed.Head;
        // Between the look for something new and this one there may be something new.
        if (feed.Next(_position) is not null)
            return;
        _position = head.Sequence;
        await WriteAsync(output, Single(MapFrameWriter.Bookmark(head.Revision, head.Sequence, head.Count, sources.Clock.GetUtcNow())), end);
    }

    private bool IsDismissed => _byeReason != RefusalReason.None;

    private ReadOnlyMemory<byte> Single(byte[] frame) => Segment.Single(frame, compressed);

    private async ValueTask WriteAsync(PipeWriter output, ReadOnlyMemory<byte> bytes, CancellationToken end)
    {
        sources.Counters.CountBytes(bytes.Length, _isFirst);
        for (int start = 0; start < bytes.Length; start += SliceSize)
        {
            if (start > 0 && IsDismissed)
                throw new OperationCanceledException("The node is no member any more.");
            ValueTask<FlushResult> flush = output.WriteAsync(bytes.Slice(start, Math.Min(SliceSize, bytes.Length - start)), end);
            FlushResult result = flush.IsCompletedSuccessfully ? flush.Result : await WithinDeadlineAsync(flush.AsTask(), end);
            if (result.IsCompleted || result.IsCanceled)
                throw new OperationCanceledException("The node has closed the stream.");
        }
        TimeSpan silence = ShortestSilence + Random.Shared.NextDouble() * (LongestSilence - ShortestSilence);
        Interlocked.Exchange(ref _bookmarkAt, sources.Clock.GetTimestamp() + (long)(silence.TotalSeconds * sources.Clock.TimestampFrequency));
    }

    private async Task<FlushResult> WithinDeadlineAsync(Task<FlushResult> flush, CancellationToken end)
    {
        try
        {
            return await flush.WaitAsync(WriteDeadline, sources.Clock, end);
        }
        catch (TimeoutException)
        {
            sources.Counters.Stuck.Add(1);
            throw new OperationCanceledException("The node does not read its stream.");
        }
    }
}
