using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Kedge.Demo;
using Kedge.Threading;

namespace Kedge.Bench.Warp;

/// <summary>What is asked of a tunnel.</summary>
internal static class TunnelLoad
{
    private const int Callers = 8;
    private static readonly TimeSpan RunTime = TimeSpan.FromSeconds(3);

    /// <summary>Sends as much as goes, by iperf3.</summary>
    /// <returns>Bytes a second that came out, and the tunnel's processor seconds a byte.</returns>
    public static (double Rate, double Cost) Transfer(RunningTunnel tunnel, int streams)
    {
        using RunningProcess server = tunnel.Host.Start(
            "iperf3", "-s", "-1", "--forceflush", "-B", "127.0.0.1", "-p", Text(RunningTunnel.TargetPort));
        server.WaitForLine("Server listening", TimeSpan.FromSeconds(10));
        TimeSpan before = tunnel.ProcessorTime();
        CommandResult result = tunnel.Host.Run(new Command(
            "iperf3", "-c", "127.0.0.1", "-J", "-p", Text(RunningTunnel.PublicPort), "-t", Text((int)RunTime.TotalSeconds), "-P", Text(streams))
        { Timeout = RunTime + TimeSpan.FromSeconds(30) });
        TimeSpan used = tunnel.ProcessorTime() - before;
        using var json = JsonDocument.Parse(result.Output);
        JsonElement end = json.RootElement.GetProperty("end");
        double bytes = end.GetProperty("sum_sent").GetProperty("bytes").GetDouble();
        return (end.GetProperty("sum_received").GetProperty("bits_per_second").GetDouble() / 8, used.TotalSeconds / bytes);
    }

    /// <summary>Makes connections, each of which gets a byte and is over; eight callers at a time.</summary>
    /// <returns>Connections a second, and the tunnel's processor seconds a connection.</returns>
    public static (double Rate, double Cost) Connect(RunningTunnel tunnel)
    {
        Socket listener = null!;
        tunnel.Host.Namespace.Run(() =>
        {
            listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, RunningTunnel.TargetPort + 1));
            listener.Listen(1024);
        });
        DedicatedThread.Start("answers", () => Answer(listener), _ => { });
        TimeSpan before = tunnel.ProcessorTime();
        long start = Stopwatch.GetTimestamp(), count = 0;
        Task[] callers = [.. Enumerable.Range(0, Callers).Select(_ => DedicatedThread.RunAsync("calls", () => tunnel.Host.Namespace.Run(() =>
        {
            while (Stopwatch.GetElapsedTime(start) < RunTime)
            {
                if (Call())
                    Interlocked.Increment(ref count);
            }
        })))];
        Task.WaitAll(callers);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(start), used = tunnel.ProcessorTime() - before;
        listener.Dispose();
        return (count / elapsed.TotalSeconds, used.TotalSeconds / Math.Max(count, 1));
    }

    private static bool Call()
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Connect(IPAddress.Loopback, RunningTunnel.PublicPort + 1);
            byte[] buffer = new byte[16];
            return socket.Receive(buffer) == 1 && socket.Receive(buffer) == 0;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static void Answer(Socket listener)
    {
        try
        {
            while (true)
            {
                using Socket caller = listener.Accept();
                caller.Send("x"u8);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The measurement is over.
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
