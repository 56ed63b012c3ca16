using System.Globalization;
using Kedge.Demo;

namespace Kedge.Bench.Warp;

/// <summary>A program that publishes a port.</summary>
/// <param name="Name">What to call it.</param>
/// <param name="Start">Starts it on a host: connections to its ports from <see cref="RunningTunnel.PublicPort"/> on come out at those from <see cref="RunningTunnel.TargetPort"/> on.</param>
internal sealed record Tunnel(string Name, Func<Host, IReadOnlyList<RunningProcess>> Start);

/// <summary>A tunnel that runs, on one host. Disposing ends it.</summary>
internal sealed class RunningTunnel : IDisposable
{
    /// <summary>The first of the ports that callers connect to.</summary>
    public const int PublicPort = 7000;

    /// <summary>The first of the ports where their connections come out.</summary>
    public const int TargetPort = 7100;

    /// <summary>How many ports there are.</summary>
    public const int Ports = 2;

    private const double TicksPerSecond = 100;

    private readonly IReadOnlyList<RunningProcess> _processes;

    public RunningTunnel(Host host, Tunnel tunnel)
    {
        Host = host;
        _processes = tunnel.Start(host);
        for (int i = 0; i < Ports; i++)
        {
            string port = (PublicPort + i).ToString(CultureInfo.InvariantCulture);
            Wait.Until(() => host.TryRun("sh", "-c", $"ss -Hltn 'sport = {port}' | grep -q .").Succeeded, TimeSpan.FromSeconds(30), $"port {port} of {tunnel.Name}");
        }
    }

    /// <summary>Where it runs.</summary>
    public Host Host { get; }

    /// <summary>The processor time that it has taken so far, with all processes that it has started.</summary>
    public TimeSpan ProcessorTime()
    {
        var parents = new Dictionary<int, (int Parent, double Ticks)>();
        foreach (string folder in Directory.GetDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), out int id) && Read(folder) is { } fields)
                parents[id] = (Number(fields[1]), Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]));
        }
        HashSet<int> own = [.. _processes.Select(process => process.ProcessId)];
        for (int before = -1; before != own.Count;)
        {
            before = own.Count;
            own.UnionWith(parents.Where(pair => own.Contains(pair.Value.Parent)).Select(pair => pair.Key));
        }
        return TimeSpan.FromSeconds(own.Where(parents.ContainsKey).Sum(id => parents[id].Ticks) / TicksPerSecond);
    }

    public void Dispose()
    {
        for (int i = _processes.Count - 1; i >= 0; i--)
            _processes[i].Dispose();
    }

    /// <summary>The fields of <c>/proc/PID/stat</c> from the state on; null for a process that has just ended.</summary>
    private static string[]? Read(string folder)
    {
        try
        {
            string text = File.ReadAllText(Path.Combine(folder, "stat"));
            return text[(text.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
