using System.Buffers;
using System.IO.Pipelines;
using Kedge.Control.Scheduling;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;
using Kedge.Relaying;
using Kedge.Tests.Control;

namespace Kedge.Tests.Relaying;

/// <summary>What a controller passes on between nodes that have a stream to it.</summary>
public class StreamHubTests
{
    private static readonly Guid Zone = Guid.NewGuid(), OtherZone = Guid.NewGuid();

    private readonly VirtualClock _clock = new();
    private readonly StreamHub _hub;

    public StreamHubTests() => _hub = new StreamHub(_clock.Now, pairRate: 1_000_000);

    [Fact]
    public void A_datagram_goes_to_the_node_that_it_names_and_says_whom_it_is_from()
    {
        NodeStream a = Open(1), b = Open(2);

        _hub.Forward(a, b.Id, [1, 2, 3])!.Flush();

        byte[] sent = Sent(b);
        Assert.Equal(StreamFrameKind.Datagram, StreamFrame.Read(sent, out ulong from, out ReadOnlySpan<byte> datagram, out int size));
        Assert.Equal(a.Id, from);
        Assert.Equal([1, 2, 3], datagram.ToArray());
        Assert.Equal(sent.Length, size);
        Assert.Equal(1, _hub.Datagrams);
    }

    [Fact]
    public void Nothing_goes_to_another_zone_to_nobody_or_back()
    {
        NodeStream a = Open(1), other = Open(2, OtherZone);

        Assert.Null(_hub.Forward(a, other.Id, [1]));
        Assert.Null(_hub.Forward(a, 99, [1]));
        Assert.Null(_hub.Forward(a, a.Id, [1]));
        Assert.Equal(3, _hub.Dropped(StreamDrop.Unknown));
    }

    [Fact]
    public void What_a_slow_reader_does_not_read_is_dropped_and_bounded()
    {
        NodeStream a = Open(1), slow = Open(2), b = Open(3);
        byte[] datagram = new byte[1400];
        int taken = 0;

        for (int i = 0; i < 2000; i++)
        {
            _clock.Advance(TimeSpan.FromMilliseconds(2));
            taken += _hub.Forward(a, slow.Id, datagram) is null ? 0 : 1;
        }

        Assert.InRange(taken * (datagram.Length + StreamFrame.HeaderSize), NodeStream.MostWaiting / 2, NodeStream.MostWaiting);
        Assert.True(_hub.Dropped(StreamDrop.Slow) > 0);
        Assert.NotNull(_hub.Forward(a, b.Id, datagram));
    }

    [Fact]
    public void A_flood_is_held_to_the_rate_of_its_pair()
    {
        NodeStream a = Open(1), b = Open(2);
        byte[] datagram = new byte[1000];

        int passed = Enumerable.Range(0, 1000).Count(_ => _hub.Forward(a, b.Id, datagram) is not null);
        _clock.Advance(TimeSpan.FromMilliseconds(100));
        int later = Enumerable.Range(0, 1000).Count(_ => _hub.Forward(a, b.Id, datagram) is not null);

        Assert.Equal(262, passed); // what a pair may send at once, 256 KiB
        Assert.InRange(later, 99, 101); // a tenth of a second's
        Assert.True(_hub.Dropped(StreamDrop.Limited) > 1000);
    }

    [Fact]
    public void A_new_stream_of_a_node_replaces_its_old_one()
    {
        var node = Guid.NewGuid();
        NodeStream a = Open(1), old = _hub.Open(Zone, node, Key(2))!;

        NodeStream now = _hub.Open(Zone, node, Key(2))!;

        Assert.Same(now, _hub.Forward(a, now.Id, [1]));
        Assert.Null(_hub.Forward(old, a.Id, [1]));
        _hub.Close(old);
        Assert.Same(now, _hub.Forward(a, now.Id, [1]));
    }

    [Fact]
    public void A_node_does_not_take_the_place_of_another_one()
    {
        NodeStream first = Open(1);

        Assert.Null(_hub.Open(Zone, Guid.NewGuid(), Key(1)));
        Assert.Equal(1, _hub.Count);
        Assert.False(first.Ended.IsCompleted);
    }

    [Fact]
    public void A_node_that_is_active_no_more_has_no_stream()
    {
        NodeStream a = Open(1), b = Open(2);

        _hub.Review(b.Node, stream => stream != b);

        Assert.Equal(1, _hub.Count);
        Assert.Null(_hub.Forward(a, b.Id, [1]));
        Assert.True(b.Ended.IsCompleted);
        Assert.False(a.Ended.IsCompleted);
    }

    [Fact]
    public async Task A_connection_carries_frames_in_any_pieces_and_ends_at_nonsense()
    {
        NodeStream a = Open(1), b = Open(2);
        var incoming = new Pipe();
        var outgoing = new Pipe();
        await using var connection = new Duplex(incoming.Reader.AsStream(), outgoing.Writer.AsStream());
        Task running = new HubConnection(_hub, a, connection, _clock).RunAsync(TestContext.Current.CancellationToken);
        byte[] frame = [0, 11, .. Bytes(b.Id), 7, 8, 9];

        foreach (byte one in (byte[])[.. frame, 0, 0, .. frame])
            await incoming.Writer.WriteAsync(new[] { one }, TestContext.Current.CancellationToken);
        Stream answers = outgoing.Reader.AsStream();
        byte[] keepalive = new byte[2];
        await answers.ReadExactlyAsync(keepalive, TestContext.Current.CancellationToken);
        await incoming.Writer.WriteAsync(new byte[] { 0, 1 }, TestContext.Current.CancellationToken);
        await running;

        Assert.Equal([0, 0], keepalive);
        Assert.Equal(2 * frame.Length, Sent(b).Length);
    }

    private static byte[] Bytes(ulong id)
    {
        byte[] bytes = BitConverter.GetBytes(id);
        Array.Reverse(bytes);
        return bytes;
    }

    private static PublicKey Key(byte first) => PublicKey.FromBytes([first, .. new byte[31]]);

    private static byte[] Sent(NodeStream stream)
    {
        stream.Flush();
        return stream.Output.TryRead(out ReadResult read) ? read.Buffer.ToArray() : [];
    }

    private NodeStream Open(byte key, Guid? zone = null) => _hub.Open(zone ?? Zone, Guid.NewGuid(), Key(key))!;

    private sealed class Duplex(Stream input, Stream output) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => output.Flush();

        public override int Read(byte[] buffer, int offset, int count) => input.Read(buffer, offset, count);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            input.ReadAsync(buffer, cancellationToken);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => output.Write(buffer, offset, count);

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await output.WriteAsync(buffer, cancellationToken);
            await output.FlushAsync(cancellationToken);
        }
    }
}
