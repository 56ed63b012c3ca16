using System.Buffers;
using System.IO.Pipelines;
using Kedge.Protocol.Mesh;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Reads a map stream line by line. Whether it is alive is judged by what it brings, not by the connection below: proxies and HTTP/2 keep
/// a connection alive behind which nobody is left. One thread at a time.
/// </summary>
internal sealed class MapStream(Stream body, TimeProvider clock) : IAsyncDisposable
{
    /// <summary>The longest time without a frame: three bookmarks that did not come.</summary>
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(90);

    private readonly PipeReader _reader = PipeReader.Create(body, new StreamPipeReaderOptions(bufferSize: 16384));
    private readonly CancellationTokenSource _silence = new(Silence, clock);
    private ReadOnlySequence<byte> _rest;
    private SequencePosition _examined;
    private bool _hasBuffer;
    private bool _isCompleted;

    /// <summary>The line that was read last, without its line feed; valid until the next is read.</summary>
    public ReadOnlyMemory<byte> Line { get; private set; }

    /// <summary>Reads the next line.</summary>
    /// <returns>False at the end of the stream.</returns>
    /// <exception cref="ControllerException">Nothing came for <see cref="Silence"/>, or a line that is too long.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    public async ValueTask<bool> ReadAsync(CancellationToken cancellation)
    {
        while (!TryTakeLine())
        {
            if (_isCompleted)
                return false;
            if (_rest.Length > NetworkMap.MaximumFrame)
                throw new ControllerException($"The controller sends a frame of more than {NetworkMap.MaximumFrame} bytes.");
            await FillAsync(cancellation);
        }
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await _reader.CompleteAsync();
        _silence.Dispose();
    }

    private bool TryTakeLine()
    {
        if (_rest.PositionOf((byte)'\n') is not { } end)
            return false;
        ReadOnlySequence<byte> line = _rest.Slice(0, end);
        Line = line.IsSingleSegment ? line.First : line.ToArray();
        _rest = _rest.Slice(_rest.GetPosition(1, end));
        _silence.CancelAfter(Silence);
        return true;
    }

    private async ValueTask FillAsync(CancellationToken cancellation)
    {
        if (_hasBuffer)
            _reader.AdvanceTo(_rest.Start, _examined);
        _hasBuffer = false;
        ReadResult result;
        using (CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _silence.Token))
        {
            try
            {
                result = await _reader.ReadAsync(either.Token);
            }
            catch (OperationCanceledException) when (_silence.IsCancellationRequested && !cancellation.IsCancellationRequested)
            {
                throw new ControllerException($"The controller has sent nothing for {Silence.TotalSeconds:F0} seconds.");
            }
        }
        _rest = result.Buffer;
        _examined = result.Buffer.End;
        _hasBuffer = true;
        _isCompleted = result.IsCompleted;
    }
}
