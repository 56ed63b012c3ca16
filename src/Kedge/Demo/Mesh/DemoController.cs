using System.Text.Json;

namespace Kedge.Demo.Mesh;

/// <summary>A controller on a host of the demo, and its administrator, who works on the same machine.</summary>
public sealed class DemoController
{
    // The one that is open where UDP is blocked.
    private const int Port = 443;

    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30);
    private readonly string _program;
    private readonly string _login;

    private DemoController(Host host, string program, string address, string folder)
    {
        Host = host;
        _program = program;
        _login = Path.Combine(folder, "login.json");
        string data = Path.Combine(folder, "data");
        Process = host.Start(
            program, "controller", "--listen", $"{address}:{Port}", "--url", $"https://{address}:{Port}", "--data-dir", data);
        Wait.Until(() => Process.HasExited || host.TryRun(program, "login", "--data-dir", data, "--login-file", _login).Succeeded,
            StartTimeout, "a controller that answers");
        if (Process.HasExited)
            throw new DemoException($"The controller has ended: {Process.Error}");
    }

    /// <summary>Where it runs.</summary>
    public Host Host { get; }

    /// <summary>The controller.</summary>
    public RunningProcess Process { get; }

    /// <summary>Starts a controller, and logs its administrator in.</summary>
    /// <param name="host">The host.</param>
    /// <param name="program">The path of the program <c>kedge</c>.</param>
    /// <param name="address">The host's address that nodes can reach.</param>
    public static DemoController Start(Host host, string program, string address)
    {
        string folder = Path.Combine(host.Topology.TempFolder, host.Label);
        Directory.CreateDirectory(folder);
        return new(host, program, address, folder);
    }

    /// <summary>Runs a command of the administrator.</summary>
    /// <param name="arguments">Such as <c>zone create red</c>.</param>
    /// <returns>What it printed.</returns>
    /// <exception cref="CommandException">It failed.</exception>
    public string Administer(params string[] arguments) =>
        Host.Run([_program, .. arguments, "--login-file", _login]).Output;

    /// <summary>Makes a token for a zone.</summary>
    /// <param name="zone">The zone's name.</param>
    /// <param name="node">Who joins with it.</param>
    /// <param name="options">More options of <c>kedge token create</c>.</param>
    /// <returns>The path of a file with the join line, for the node's eyes alone.</returns>
    public string NewJoinFile(string zone, string node, params string[] options)
    {
        string path = Path.Combine(Host.Topology.TempFolder, $"{node}.join");
        Administer(["token", "create", "--zone", zone, "--out", path, .. options]);
        return path;
    }

    /// <summary>The overlay addresses of the nodes of a zone by their names: the IPv4 one of each.</summary>
    public IReadOnlyDictionary<string, string> Addresses(string zone)
    {
        using var nodes = JsonDocument.Parse(Administer("node", "list", "--zone", zone, "--json"));
        return nodes.RootElement.EnumerateArray().ToDictionary(
            node => node.GetProperty("name").GetString()!,
            node => node.GetProperty("addresses")[0].GetString()!);
    }
}
