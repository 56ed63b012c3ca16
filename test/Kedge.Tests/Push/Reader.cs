using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Kedge.Control.Push;
using Kedge.Protocol.Mesh;

namespace Kedge.Tests.Push;

/// <summary>A node at the other end of a map stream: takes every line into its map, unless it is told not to read.</summary>
internal sealed class Reader : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Pipe _pipe;
    private readonly CancellationTokenSource _gone = new();
    private readonly List<string> _lines = [];
    private readonly List<PeerIntroduction> _introductions = [];
    private TaskCompletionSource _mayRead = new();
    private Task _writing = Task.CompletedTask;
    private Task _reading = Task.CompletedTask;
    private MapOutcome _last;

    public Reader(int number, Reader? before, int pauseAt)
    {
        Id = MemoryMapSource.NodeId(number);
        Map = before?.Map ?? new NetworkMap(Id);
        _pipe = new Pipe(new PipeOptions(pauseWriterThreshold: pauseAt, resumeWriterThreshold: pauseAt / 2, useSynchronizationContext: false));
        _mayRead.SetResult();
    }

    public Guid Id { get; }

    public NetworkMap Map { get; }

    /// <summary>Whether the stream has ended.</summary>
    public bool HasEnded => _writing.IsCompleted;

    /// <summary>What the last frame has done.</summary>
    public MapOutcome Last
    {
        get
        {
            lock (_lock)
                return _last;
        }
    }

    /// <summary>Whether what came was complete, and nothing but signs of life came after it.</summary>
    public bool HasMap => Last is MapOutcome.Committed or MapOutcome.Alive;

    /// <summary>The lines that came, in order.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lock)
                return [.. _lines];
        }
    }

    /// <summary>The introductions that came, in order.</summary>
    public IReadOnlyList<PeerIntroduction> Introductions
    {
        get
        {
            lock (_lock)
                return [.. _introductions];
        }
    }

    /// <summary>The last question of the controller.</summary>
    public Guid Question
    {
        get
        {
            lock (_lock)
                return Map.Question;
        }
    }

    /// <summary>From where other machines use the node's keys, as the controller last said.</summary>
    public string? DuplicatesFrom
    {
        get
        {
            lock (_lock)
                return Map.DuplicatesFrom;
        }
    }

    /// <summary>The certificates of the peers as text, in the order of their identifiers.</summary>
    public string Peers
    {
        get
        {
            lock (_lock)
                return string.Join(' ', Map.Peers.Values.OrderBy(peer => peer.Id).Select(peer => Encoding.UTF8.GetString(peer.Certificate.Span)));
        }
    }

    public int Count(string type) => Lines.Count(line => line.Contains($"\"type\":\"{type}\"", StringComparison.Ordinal));

    public void Start(MapPush.OpenStream open)
    {
        MapPosition position = Map.Position;
        _writing = Task.Run(async () =>
        {
            using (open)
            {
                try
                {
                    await open.Stream.RunAsync(position, _pipe.Writer, _gone.Token);
                }
                catch (OperationCanceledException)
                {
                    // It was cut off.
                }
                finally
                {
                    await _pipe.Writer.CompleteAsync();
                }
            }
        });
        _reading = Task.Run(ReadAsync);
    }

    public void StopReading() => _mayRead = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void GoOnReading() => _mayRead.TrySetResult();

    /// <summary>The node goes away.</summary>
    public async ValueTask DisposeAsync()
    {
        GoOnReading();
        await _gone.CancelAsync();
        await _writing;
        await _reading;
    }

    private static bool IsNote(string line) =>
        line.Contains("\"type\":\"question\"", StringComparison.Ordinal)
        || line.Contains("\"type\":\"duplicates\"", StringComparison.Ordinal);

    private async Task ReadAsync()
    {
        while (true)
        {
            await _mayRead.Task;
            ReadResult result = await _pipe.Reader.ReadAsync();
            await _mayRead.Task;
            ReadOnlySequence<byte> rest = result.Buffer;
            while (rest.PositionOf((byte)'\n') is { } end)
            {
                byte[] line = rest.Slice(0, end).ToArray();
                rest = rest.Slice(rest.GetPosition(1, end));
                lock (_lock)
                {
                    MapOutcome outcome = Map.Apply(line);
                    _lines.Add(Encoding.UTF8.GetString(line));
                    if (outcome == MapOutcome.Introduced)
                        _introductions.Add(Map.Introduction!);
                    else if (!IsNote(_lines[^1]))
                        _last = outcome;
                }
            }
            _pipe.Reader.AdvanceTo(rest.Start, rest.End);
            if (result.IsCompleted)
                return;
        }
    }
}
