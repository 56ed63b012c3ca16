using Kedge.Node.Dataplane;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.Tests.Push;
using Kedge.Tests.Threading;
using Kedge.Threading;

namespace Kedge.Tests.Dataplane;

public sealed class StateRecorderTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kedge-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task A_defect_in_one_round_does_not_end_the_next()
    {
        var clock = new ManualClock();
        var log = new RecordingLog();
        string path = Path.Combine(_folder.FullName, "node.json");
        int asked = 0;
        await using var recorder = new StateRecorder(new NodeStateFile(path), Status, null, clock, log);

        using var change = new DeviceChange { ListenPort = 1 };
        recorder.Applied(change);
        await log.WaitForAsync("The device's state could not be recorded");
        Assert.False(File.Exists(path));
        recorder.Applied(change);
        while (!File.Exists(path))
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            clock.Advance(BackgroundLoop.Pause);
            await Task.Yield();
        }

        DeviceStatus Status() => Interlocked.Increment(ref asked) == 1 ? throw new InvalidOperationException("a defect") : new DeviceStatus();
    }
}
