using System.Text.Json;
using Kedge.Demo;
using Kedge.Demo.Nat;

namespace Kedge.SystemTests.Mesh;

/// <summary>
/// A controller and machines on one switch, 192.0.2.1 and up. Whoever makes it disposes it; that ends whatever still runs.
/// </summary>
internal sealed class MeshNetwork : IDisposable
{
    public const string ControllerAddress = "192.0.2.1";

    public const string ControllerIpv6 = "2001:db8::1";

    /// <summary>How long anything may take on a machine that has much else to do.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    private readonly Switch _switch;
    private readonly string[] _controllerArguments;
    private int _lastAddress = 1;
    private int _lastToken;
    private RunningProcess _controller;
    private string? _joinFile;

    /// <param name="controllerArguments">What else the controller is told.</param>
    public MeshNetwork(params string[] controllerArguments) : this(isInternet: false, controllerArguments)
    {
    }

    private MeshNetwork(bool isInternet, string[] controllerArguments)
    {
        _controllerArguments = controllerArguments;
        Net = Topology.Create();
        _switch = Net.AddSwitch("lan");
        ControllerHost = Net.AddHost("controller");
        if (isInternet)
        {
            Internet = new Internet(_switch);
            Internet.Attach(ControllerHost, _lastAddress);
            // The one port that is open where UDP is blocked.
            Listen = [$"{ControllerAddress}:443", $"[{ControllerIpv6}]:443"];
            Urls = [.. Listen.Select(address => $"https://{address}")];
        }
        else
        {
            _switch.Attach(ControllerHost, [$"{ControllerAddress}/24"]);
        }
        _controller = StartController();
        LogIn();
    }

    public Topology Net { get; }

    /// <summary>What gateways have their line to; null where the switch is nothing but a switch.</summary>
    public Internet? Internet { get; }

    public Host ControllerHost { get; }

    /// <summary>Where the controller listens, and the addresses that it tells, from its next start on.</summary>
    public string[] Listen { get; set; } = [$"{ControllerAddress}:8443", "127.0.0.1:8443"];

    /// <inheritdoc cref="Listen"/>
    public string[] Urls { get; set; } = [$"https://{ControllerAddress}:8443"];

    /// <summary>The controller's database.</summary>
    public string StoreFile => Path.Combine(DataDirectory, "store.db");

    /// <summary>Whether the controller has been started and has not ended.</summary>
    public bool ControllerRuns => !_controller.HasExited;

    /// <summary>A file with a join line for the first zone, which any number of nodes can use.</summary>
    public string JoinFile => _joinFile ??= WriteToken("--reusable");

    /// <summary>The controller's folder.</summary>
    public string DataDirectory => Path.Combine(Net.TempFolder, "controller");

    /// <summary>A network in which the switch is the internet, so that gateways can be added, with a controller on both families.</summary>
    public static MeshNetwork OnInternet() => new(isInternet: true, []);

    /// <summary>Adds a machine on the switch.</summary>
    public Host AddHost(string label)
    {
        Host host = Net.AddHost(label);
        ++_lastAddress;
        if (Internet is null)
            _switch.Attach(host, [$"192.0.2.{_lastAddress}/24"]);
        else
            Internet.Attach(host, _lastAddress);
        return host;
    }

    /// <summary>Gives a machine on the Internet other addresses.</summary>
    public void MoveToAnotherAddress(Host host) => Internet.Move(host, ++_lastAddress);

    /// <summary>Adds a machine on the switch, with a node that is not up yet.</summary>
    public MeshNode AddNode(string label, string? name = null) => new(this, AddHost(label), label, name);

    /// <summary>Adds a machine with a node that has joined, and waits until it is up.</summary>
    public MeshNode Join(string label, params string[] arguments)
    {
        MeshNode node = AddNode(label);
        node.Up(["--join-file", JoinFile, .. arguments]);
        return node;
    }

    /// <summary>Makes a token, for one node unless the arguments say otherwise, and returns the file with its join line.</summary>
    public string WriteToken(params string[] arguments)
    {
        string path = Path.Combine(Net.TempFolder, $"join-{++_lastToken}");
        Administer(["token", "create", "--out", path, .. arguments]);
        return path;
    }

    /// <summary>A join file for who has no IPv4, and joins at the controller's other address.</summary>
    public string AtIpv6(string joinFile) => Net.WriteSecret(
        $"{Path.GetFileName(joinFile)}-ipv6", File.ReadAllText(joinFile).Replace(Urls[0], Urls[1], StringComparison.Ordinal));

    /// <summary>Runs a command of the administrator.</summary>
    public CommandResult Administer(params string[] arguments) => ControllerHost.Run(Call(arguments));

    /// <summary>Runs a command of the administrator, whatever its exit code.</summary>
    public CommandResult TryAdminister(params string[] arguments) => ControllerHost.TryRun(Call(arguments));

    /// <summary>Runs a command of <c>kedge controller</c> on the controller's folder.</summary>
    public CommandResult Control(params string[] arguments) => ControllerHost.Run(Call(["controller", .. arguments, "--data-dir", DataDirectory]));

    /// <summary>Runs a command of the administrator that prints JSON.</summary>
    public JsonElement AdministerJson(params string[] arguments) =>
        JsonDocument.Parse(Administer([.. arguments, "--json"]).Output).RootElement;

    /// <summary>Ends the controller at once.</summary>
    public void KillController() => _controller.Kill();

    /// <summary>Starts the controller again, with the data that it had.</summary>
    public void RestartController() => _controller = StartController();

    public void Dispose() => Net.Dispose();

    private RunningProcess StartController()
    {
        RunningProcess process = ControllerHost.Start(Call([
            "controller", "--data-dir", DataDirectory,
            .. Listen.SelectMany(address => new[] { "--listen", address }),
            .. Urls.SelectMany(url => new[] { "--url", url }),
            .. _controllerArguments]));
        process.WaitForLine("Ready: nodes join at", Patience);
        return process;
    }

    /// <summary>Writes what <c>kedge login</c> would, which has tests of its own.</summary>
    private void LogIn()
    {
        string pin = _controller.WaitForLine("join line  ", Patience).Split("pin=")[1];
        string token = File.ReadAllText(Path.Combine(DataDirectory, "administrator.token")).Trim();
        Net.WriteSecret("login.json", $$"""{"url": "{{Urls[0]}}", "pin": "{{pin}}", "token": "{{token}}"}""");
    }

    private Command Call(params string[] arguments) => new([Repository.Program, .. arguments])
    {
        Environment = new Dictionary<string, string> { ["KEDGE_LOGIN_FILE"] = Path.Combine(Net.TempFolder, "login.json") },
    };
}
