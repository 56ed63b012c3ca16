using System.Buffers;
using System.IO.Pipelines;
using Kedge.Protocol.Relays;

namespace Kedge.Relaying;

/// <summary>Carries frames between a node's connection and the hub, both ways, until one of the two ends.</summary>
/// <param name="hub">The hub.</param>
/// <param name="stream">The node's stream; closed by whoever has opened it.</param>
/// <param name="connection">The connection; the caller's.</param>
/// <param name="clock">Measures silence.</param>
public sealed class HubConnection(StreamHub hub, NodeStream stream, Stream connection, TimeProvider clock)
{
    private const int ReadSize = 64 << 10;

    private readonly byte[] _whole = new byte[StreamFrame.MaximumSize];
    private readonly HashSet<NodeStream> _unflushed = [];

    /// <summary>Runs until the node or the hub ends it, or the node says nothing for long or nonsense.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task[] both = [ReceiveAsync(ending.Token), SendAsync(ending.Token)];
        await Task.WhenAny([.. both, stream.Ended]);
        await ending.CancelAsync();
        foreach (Task one in both)
            await one.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // a connection that ends is no fault
    }

    private async Task ReceiveAsync(CancellationToken ending)
    {
        PipeReader input = PipeReader.Create(connection, new StreamPipeReaderOptions(bufferSize: ReadSize, leaveOpen: true));
        try
        {
            while (true)
            {
                ValueTask<ReadResult> reading = input.ReadAsync(ending);
                ReadResult read = reading.IsCompletedSuccessfully
                    ? reading.Result
                    : await reading.AsTask().WaitAsync(StreamFrame.LongestSilence, clock, ending);
                bool isGood = TryTake(read.Buffer, out SequencePosition taken);
                input.AdvanceTo(taken, read.Buffer.End);
                foreach (NodeStream to in _unflushed)
                    to.Flush();
                _unflushed.Clear();
                if (!isGood || read.IsCompleted)
                    return;
            }
        }
        finally
        {
            await input.CompleteAsync();
        }
    }

    /// <summary>Takes all frames that have come whole.</summary>
    /// <returns>False if there is something that is no frame.</returns>
    private bool TryTake(ReadOnlySequence<byte> bytes, out SequencePosition taken)
    {
        while (true)
        {
            taken = bytes.Start;
            StreamFrameKind kind = StreamFrame.Read(bytes.FirstSpan, out ulong peer, out ReadOnlySpan<byte> datagram, out int size);
            if (kind == StreamFrameKind.Incomplete && !bytes.IsSingleSegment)
            {
                Span<byte> whole = _whole.AsSpan(0, (int)Math.Min(bytes.Length, _whole.Length));
                bytes.Slice(0, whole.Length).CopyTo(whole);
                kind = StreamFrame.Read(whole, out peer, out datagram, out size);
            }
            switch (kind)
            {
                case StreamFrameKind.Incomplete:
                    return true;
                case StreamFrameKind.Invalid:
                    return false;
                case StreamFrameKind.Keepalive:
                    stream.AddKeepalive();
                    _unflushed.Add(stream);
                    break;
                default:
                    if (hub.Forward(stream, peer, datagram) is { } to)
                        _unflushed.Add(to);
                    break;
            }
            bytes = bytes.Slice(size);
        }
    }

    // What has gathered while the last write was under way goes out with the next one.
    private async Task SendAsync(CancellationToken ending)
    {
        PipeReader output = stream.Output;
        try
        {
            while (true)
            {
                ReadResult read = await output.ReadAsync(ending);
                foreach (ReadOnlyMemory<byte> part in read.Buffer)
                    await connection.WriteAsync(part, ending);
                long sent = read.Buffer.Length;
                output.AdvanceTo(read.Buffer.End);
                stream.NoteSent(sent);
                if (read.IsCompleted)
                    return;
            }
        }
        finally
        {
            await output.CompleteAsync();
        }
    }
}
