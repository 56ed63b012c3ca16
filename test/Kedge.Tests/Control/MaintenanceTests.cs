using Kedge.Control.Identity;
using Kedge.Control.Store;
using Kedge.Tests.Push;
using Kedge.Tests.Threading;

namespace Kedge.Tests.Control;

public class MaintenanceTests
{
    [Fact]
    public async Task A_defect_in_one_round_does_not_end_the_next()
    {
        var clock = new ManualClock();
        var log = new RecordingLog();
        await using Network network = await Network.CreateAsync();
        var maintenance = new Maintenance(
            network.Store, network.Certification, network.Registry, network.Presence, network.Budget, new AuditLog(90, 5000), clock, log);
        using var ending = new CancellationTokenSource();
        Task running = maintenance.RunAsync(ending.Token);
        await network.Store.DisposeAsync(); // which none of the failures is that a store in use has

        for (int round = 1; round <= 3; round++)
        {
            clock.Advance(Maintenance.Interval);
            await log.WaitForAsync("What the controller does by itself failed", round);
        }
        await ending.CancelAsync();
        await running;
    }
}
