using Kedge.Node.ControlLink;
using Kedge.Tests.Push;
using Kedge.Tests.Threading;
using Kedge.Threading;

namespace Kedge.Tests.ControlLink;

public sealed class StatusSocketTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kedge-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    private static LinkStatus Alpha() => new()
    {
        Interface = "kedge0",
        Name = "alpha",
        NodeId = Guid.NewGuid(),
        Network = "network",
        Zone = "default",
        ZonePrefixes = [],
        Addresses = [],
        ChildPrefixes = [],
        Controller = new ControllerConnection("https://controller.example", Connected: true, Since: null, LastError: null),
    };

    [Fact]
    public async Task A_defect_in_one_answer_does_not_end_the_next()
    {
        var clock = new ManualClock();
        var log = new RecordingLog();
        string path = Path.Combine(_folder.FullName, "link.sock");
        int asked = 0;
        await using var socket = new StatusSocket(path, Status, clock, log);

        Assert.Null(StatusSocket.Ask(path));
        await log.WaitForAsync("Something failed that should not");
        while (clock.Waiting == 0)
            await Task.Yield();
        clock.Advance(BackgroundLoop.Pause);

        Assert.Equal("alpha", StatusSocket.Ask(path)?.Name);

        LinkStatus Status() => Interlocked.Increment(ref asked) == 1 ? throw new InvalidOperationException("a defect") : Alpha();
    }
}
