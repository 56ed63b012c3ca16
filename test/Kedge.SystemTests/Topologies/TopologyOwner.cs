using Kedge.Demo;

namespace Kedge.SystemTests.Topologies;

/// <summary>
/// This test program run as a process of its own that builds a topology and then waits to be ended: what <see cref="CleanUpTests"/> need a
/// victim for.
/// </summary>
internal static class TopologyOwner
{
    /// <summary>The program's only argument in this mode.</summary>
    public const string Mode = "own-a-topology";

    private const string Ready = "ready";

    /// <summary>Starts the process and waits until its topology stands.</summary>
    public static RunningProcess Start()
    {
        // Whoever runs the tests in the background of a shell has SIGINT ignored, and all children inherit that.
        RunningProcess process = RunningProcess.Start(new Command("env", "--default-signal=INT", Environment.ProcessPath!, Mode));
        process.WaitForLine(Ready, TimeSpan.FromSeconds(30));
        return process;
    }

    /// <summary>The process itself: two hosts, a device and a file, then it waits for ever.</summary>
    public static int Run()
    {
        using var net = Topology.Create();
        Host a = net.AddHost("a"), b = net.AddHost("b");
        net.Connect(a, b, ["10.1.0.1/24"], ["10.1.0.2/24"]);
        DeviceProcess.StartWireGuardGo(a);
        // One that outlives its parent and does not care for SIGTERM either.
        b.Run("sh", "-c", "trap '' TERM; setsid sleep 1000 >/dev/null 2>&1 &");
        net.WriteSecret("secret", "content");
        Console.WriteLine(Ready);
        new ManualResetEvent(false).WaitOne();
        return 0;
    }
}
