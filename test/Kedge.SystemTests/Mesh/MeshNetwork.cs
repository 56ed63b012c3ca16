using System.Text.Json;
using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>
/// A controller and machines on one switch, 192.0.2.1 and up. Whoever makes it disposes it; that ends whatever still runs.
/// </summary>
internal sealed class MeshNetwork : IDisposable
{
    public const string ControllerAddress = "192.0.2.1";

    /// <summary>How long anything may take on a machine that has much else to do.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    private readonly Switch _switch;
    private int _lastAddress = 1;
    private int _lastToken;

    private readonly string[] _controllerArguments;

    /// <param name="controllerArguments">What else the controller is told.</param>
    public MeshNetwork(params string[] controllerArguments)
    {
        _controllerArguments = controllerArguments;
        Net = Topology.Create();
        _switch = Net.AddSwitch("lan");
        ControllerHost = Net.AddHost("controller");
        _switch.Attach(ControllerHost, [$"{ControllerAddress}/24"]);
        Controller = StartController();
        ControllerHost.Run(Call("login", "--data-dir", DataDirectory));
    }

    public Topology Net { get; }

    public Host ControllerHost { get; }

    public RunningProcess Controller { get; private set; }

    /// <summary>The controller's database.</summary>
    public string StoreFile => Path.Combine(DataDirectory, "store.db");

    private string DataDirectory => Path.Combine(Net.TempFolder, "controller");

    /// <summary>Adds a machine on the switch.</summary>
    public Host AddHost(string label)
    {
        Host host = Net.AddHost(label);
        _switch.Attach(host, [$"192.0.2.{++_lastAddress}/24"]);
        return host;
    }

    /// <summary>Adds a machine on the switch, with a node that is not up yet.</summary>
    public MeshNode AddNode(string label) => new(this, AddHost(label), label);

    /// <summary>Adds a machine with a node that has joined, and waits until it is up.</summary>
    public MeshNode Join(string label, params string[] arguments)
    {
        MeshNode node = AddNode(label);
        node.Up(["--join-file", WriteToken(), .. arguments]);
        return node;
    }

    /// <summary>Makes a token, and returns the file with its join line.</summary>
    public string WriteToken(params string[] arguments)
    {
        string path = Path.Combine(Net.TempFolder, $"join-{++_lastToken}");
        Administer(["token", "create", "--out", path, .. arguments]);
        return path;
    }

    /// <summary>Runs a command of the administrator.</summary>
    public CommandResult Administer(params string[] arguments) => ControllerHost.Run(Call(arguments));

    /// <summary>Runs a command of the administrator that prints JSON.</summary>
    public JsonElement AdministerJson(params string[] arguments) =>
        JsonDocument.Parse(Administer([.. arguments, "--json"]).Output).RootElement;

    /// <summary>Ends the controller at once.</summary>
    public void KillController() => Controller.Kill();

    /// <summary>Starts the controller again, with the data that it had.</summary>
    public void RestartController() => Controller = StartController();

    public void Dispose() => Net.Dispose();

    private RunningProcess StartController()
    {
        RunningProcess process = ControllerHost.Start(Call([
            "controller", "--listen", $"{ControllerAddress}:8443", "--listen", "127.0.0.1:8443",
            "--url", $"https://{ControllerAddress}:8443", "--data-dir", DataDirectory,
            .. _controllerArguments]));
        Wait.Until(
            () => process.HasExited || ControllerHost.TryRun("bash", "-c", $"exec 3<>/dev/tcp/{ControllerAddress}/8443").Succeeded,
            Patience,
            "the controller's port");
        return process.HasExited ? throw new CommandException(process.Command, "the controller", process.Kill()) : process;
    }

    private Command Call(params string[] arguments) => new([Repository.Program, .. arguments])
    {
        Environment = new Dictionary<string, string> { ["KEDGE_LOGIN_FILE"] = Path.Combine(Net.TempFolder, "login.json") },
    };
}
