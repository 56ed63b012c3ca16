using System.Buffers;
using System.IO.Pipelines;
using Kedge.Relaying;

namespace Kedge.Node.Streams;

/// <summary>What nodes send this one by their streams to it: the device is itself a member of the hub that passes their datagrams on.</summary>
/// <param name="stream">The device's own stream.</param>
internal sealed class HubSource(NodeStream stream) : IFrameSource
{
    /// <inheritdoc/>
    public bool IsBroken => stream.Ended.IsCompleted;

    /// <inheritdoc/>
    public int Read(Span<byte> bytes)
    {
        ValueTask<ReadResult> reading = stream.Output.ReadAsync(CancellationToken.None);
        ReadResult read = reading.IsCompletedSuccessfully ? reading.Result : reading.AsTask().GetAwaiter().GetResult();
        int length = (int)Math.Min(read.Buffer.Length, bytes.Length);
        ReadOnlySequence<byte> taken = read.Buffer.Slice(0, length);
        taken.CopyTo(bytes);
        stream.Output.AdvanceTo(taken.End);
        stream.NoteSent(length);
        return length;
    }

    /// <inheritdoc/>
    public void Break() => stream.End();
}
