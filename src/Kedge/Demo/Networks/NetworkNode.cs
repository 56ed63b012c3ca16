namespace Kedge.Demo.Networks;

/// <summary>A machine with a node of a network without a controller. Whoever made it disposes it, which takes the node down.</summary>
/// <param name="host">The machine; its label is the node's name.</param>
/// <param name="program">The path of the program <c>kedge</c>.</param>
/// <param name="address">The node's address in the network.</param>
/// <param name="underlay">The machine's address.</param>
public sealed class NetworkNode(Host host, string program, string address, string underlay) : IDisposable
{
    private const string Port = "7891";

    /// <summary>The machine.</summary>
    public Host Host => host;

    /// <summary>The node's address in the network.</summary>
    public string Address => address;

    /// <summary>Where it can be knocked at.</summary>
    public string Endpoint => $"{underlay}:{Port}";

    /// <summary>The folder with its keys, the file by which it asks, and its certificate.</summary>
    public string Keys => PathOf("keys");

    /// <inheritdoc cref="Keys"/>
    public string Request => PathOf("request");

    /// <inheritdoc cref="Keys"/>
    public string Certificate => PathOf("pem");

    /// <summary>Enters a network, and is up when this returns.</summary>
    /// <param name="authority">The file with the master's certificate.</param>
    /// <param name="options">More options of <c>kedge up</c>.</param>
    /// <exception cref="CommandException">It could not.</exception>
    public void Enter(string authority, params string[] options) => Run([.. Entry(authority, Certificate, Keys), .. options]);

    /// <summary>Tries to enter a network with these files.</summary>
    public CommandResult TryEnter(string authority, string certificate, string keys) => Try(Entry(authority, certificate, keys));

    /// <summary>Comes up again, in the network that it has entered before.</summary>
    /// <exception cref="CommandException">It could not.</exception>
    public void Up() => Run("up", "--detach");

    /// <summary>Introduces itself to another node.</summary>
    public CommandResult Knock(NetworkNode other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Try("knock", other.Endpoint);
    }

    /// <summary>Runs a command of the node.</summary>
    /// <exception cref="CommandException">It failed.</exception>
    public string Run(params string[] arguments) => host.Run(Call(arguments)).Output;

    /// <summary>Runs a command of the node to its end, whatever its exit code.</summary>
    public CommandResult Try(params string[] arguments) => host.TryRun(Call(arguments));

    /// <inheritdoc/>
    public void Dispose() => Try("down");

    private static string[] Entry(string authority, string certificate, string keys) =>
    [
        "up", "--detach", "--network", "demo", "--ca", authority, "--cert", certificate, "--key", keys,
        "--listen-port", Port, "--no-port-mapping",
    ];

    private Command Call(params string[] arguments) => new([program, .. arguments])
    {
        Environment = new Dictionary<string, string>
        {
            ["KEDGE_STATE_DIR"] = PathOf("state"),
            ["KEDGE_RUN_DIR"] = PathOf("run"),
            ["KEDGE_RUNTIME_DIR"] = PathOf("wg"),
        },
    };

    private string PathOf(string what) => Path.Combine(host.Topology.TempFolder, $"{host.Label}.{what}");
}
