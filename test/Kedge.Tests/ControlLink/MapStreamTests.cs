using System.IO.Pipelines;
using System.Text;
using Kedge.Node.ControlLink;
using Kedge.Protocol.Mesh;
using Kedge.Tests.Push;

namespace Kedge.Tests.ControlLink;

public class MapStreamTests
{
    private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));
    private readonly ManualClock _clock = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lines_come_as_they_were_sent_however_they_were_cut()
    {
        await using var stream = new MapStream(_pipe.Reader.AsStream(), _clock);
        string[] lines = ["one", "", new string('x', 50000), "four"];
        Task sending = Task.Run(async () =>
        {
            foreach (byte[] piece in Encoding.ASCII.GetBytes(string.Join('\n', lines) + "\n").Chunk(777))
                await _pipe.Writer.WriteAsync(piece, Cancellation);
            await _pipe.Writer.CompleteAsync();
        }, Cancellation);

        foreach (string line in lines)
        {
            Assert.True(await stream.ReadAsync(Cancellation));
            Assert.Equal(line, Encoding.ASCII.GetString(stream.Line.Span));
        }
        Assert.False(await stream.ReadAsync(Cancellation));
        await sending;
    }

    [Fact]
    public async Task Silence_ends_the_stream_and_every_line_puts_that_off()
    {
        await using var stream = new MapStream(_pipe.Reader.AsStream(), _clock);
        for (int i = 0; i < 3; i++)
        {
            _clock.Advance(MapStream.Silence - TimeSpan.FromSeconds(1));
            await _pipe.Writer.WriteAsync("line\n"u8.ToArray(), Cancellation);
            Assert.True(await stream.ReadAsync(Cancellation));
        }
        // What is no whole line is no sign of life.
        _clock.Advance(MapStream.Silence - TimeSpan.FromSeconds(1));
        await _pipe.Writer.WriteAsync("drip"u8.ToArray(), Cancellation);
        Task<bool> reading = stream.ReadAsync(Cancellation).AsTask();
        _clock.Advance(TimeSpan.FromSeconds(2));

        ControllerException e = await Assert.ThrowsAsync<ControllerException>(() => reading);
        Assert.Contains("90 seconds", e.Message, StringComparison.Ordinal);
        Assert.False(e.IsRefusal);
    }

    [Fact]
    public async Task A_line_without_end_is_refused()
    {
        await using var stream = new MapStream(_pipe.Reader.AsStream(), _clock);
        await _pipe.Writer.WriteAsync(new byte[NetworkMap.MaximumFrame + 20000], Cancellation);

        await Assert.ThrowsAsync<ControllerException>(() => stream.ReadAsync(Cancellation).AsTask());
    }
}
