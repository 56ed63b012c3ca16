using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Kedge.Demo;

namespace Kedge.Bench.Dataplane;

/// <summary>
/// TCP connections a second, opened and closed without a byte in between: by four that do so one after the other, on each host in a process
/// of its own, which is this program called anew.
/// </summary>
internal static class Connections
{
    /// <summary>What this program is called with to accept connections.</summary>
    public const string ServeVerb = "serve-connections";

    /// <summary>What this program is called with to open connections.</summary>
    public const string OpenVerb = "open-connections";

    private const int Port = 5300, Workers = 4, Backlog = 512;
    private const string Ready = "ready";
    private static readonly TimeSpan WarmUpTime = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan RunTime = TimeSpan.FromSeconds(2);

    public static IReadOnlyList<Measurement> Measurements { get; } = [new(Count, new Figure("TCP connections opened and closed a second"))];

    /// <summary>Accepts and closes connections, until this process is ended.</summary>
    public static void Serve(string address)
    {
        using var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Parse(address), Port));
        listener.Listen(Backlog);
        Console.WriteLine(Ready);
        // The end that closes first keeps the connection for a minute, and this end has only one port to keep.
        while (true)
            listener.Accept().Dispose();
    }

    /// <summary>Opens connections for a while, and prints how many a second were closed by the other end.</summary>
    public static void Open(string address)
    {
        var target = new IPEndPoint(IPAddress.Parse(address), Port);
        Run(target, WarmUpTime);
        Console.WriteLine((Run(target, RunTime) / RunTime.TotalSeconds).ToString("F1", CultureInfo.InvariantCulture));
    }

    private static double[] Count(BenchPath path)
    {
        string self = Environment.ProcessPath!;
        using RunningProcess server = path.B.Start(self, ServeVerb, path.Ends.AddressOfB);
        server.WaitForLine(Ready, TimeSpan.FromSeconds(10));
        return [double.Parse(path.A.Run(self, OpenVerb, path.Ends.AddressOfB).Output, CultureInfo.InvariantCulture)];
    }

    private static long Run(IPEndPoint target, TimeSpan duration)
    {
        long start = Stopwatch.GetTimestamp(), closed = 0;
        Thread[] workers = [.. Enumerable.Range(0, Workers).Select(_ => new Thread(Work))];
        foreach (Thread worker in workers)
            worker.Start();
        foreach (Thread worker in workers)
            worker.Join();
        return closed;

        void Work()
        {
            byte[] nothing = new byte[1];
            while (Stopwatch.GetElapsedTime(start) < duration)
            {
                using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                socket.Connect(target);
                if (socket.Receive(nothing) == 0)
                    Interlocked.Increment(ref closed);
            }
        }
    }
}
