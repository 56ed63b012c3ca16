using System.Diagnostics;
using System.Globalization;
using Kedge.Demo;
using Kedge.SystemTests.Abuse;
using Kedge.SystemTests.Device;

namespace Kedge.SystemTests.Soak;

/// <summary>Ten minutes of all abuses, one after the other in any order, of a tunnel that is full all the time.</summary>
[Trait("Category", "Soak")]
[Collection(BusyTunnelTests.Name)]
public sealed class AbuseTests(BusyTunnel tunnel)
{
    private const int Seed = 20_2612;
    private static readonly TimeSpan Duration = TimeSpan.FromMinutes(10);

    [Fact]
    public void Ten_minutes_of_abuse_leave_no_trace()
    {
        var random = new Random(Seed);
        int processId = tunnel.Victim.Device.Process.ProcessId;
        Action<FullStream>[] abuses = [.. Abuses(random)];
        // Once each, so that all has been used that is kept for good.
        foreach (Action<FullStream> abuse in abuses)
            tunnel.Withstand(abuse, outwards: true);
        (double speed, long memory, int descriptors) = (Speed(), ProcessFigures.Memory(processId), ProcessFigures.Descriptors(processId));

        long start = Stopwatch.GetTimestamp();
        int count = 0;
        for (; Stopwatch.GetElapsedTime(start) < Duration; count++)
            tunnel.Withstand(abuses[random.Next(abuses.Length)], outwards: true);

        long growth = ProcessFigures.Memory(processId) - memory;
        double speedAfter = Speed();
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{count} abuses (seed {Seed}): {speed / 1e6:0} MB/s, then {speedAfter / 1e6:0}; {growth >> 10} KB more; {descriptors} descriptors"));
        Assert.True(growth < 16 << 20, $"the process has grown by {growth >> 20} MB");
        Wait.Until(() => ProcessFigures.Descriptors(processId) <= descriptors, TwoHosts.Patience, $"no more than {descriptors} descriptors");
        Assert.True(speedAfter > speed / 2, $"{speed / 1e6:0} MB/s at first, {speedAfter / 1e6:0} in the end");
    }

    /// <summary>What can happen to a stream that the victim sends. Each leaves the tunnel as it was.</summary>
    private IEnumerable<Action<FullStream>> Abuses(Random random)
    {
        yield return _ => tunnel.FloodJunk(random, 500_000);
        yield return _ => tunnel.FloodInitiations(random, addresses: 10_000, 200_000);
        yield return _ => WithRoguePeer(rogue => rogue.SendReplays(100_000));
        yield return _ => WithRoguePeer(rogue => rogue.SendFragments(100_000));
        yield return _ => WithRoguePeer(rogue => rogue.SendExtremes(100_000));
        yield return BusyTunnel.StopReceiver;
        yield return tunnel.TakeDownAndUp;
        yield return tunnel.ChangeMtu;
        yield return tunnel.ChangeListenPort;
    }

    private void WithRoguePeer(Action<RoguePeer> abuse)
    {
        using RoguePeer rogue = tunnel.AddRoguePeer();
        abuse(rogue);
    }

    /// <summary>The fastest of several measurements, in bytes a second: what the machine has to do besides makes it slower only.</summary>
    private double Speed()
    {
        using FullStream stream = tunnel.Stream(outwards: true);
        stream.AwaitMore();
        double fastest = Enumerable.Range(0, 20).Max(_ => stream.Measure(TimeSpan.FromMilliseconds(250)));
        stream.End();
        return fastest;
    }
}
