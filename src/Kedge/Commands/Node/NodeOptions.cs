using System.CommandLine;
using System.CommandLine.Parsing;
using Kedge.Linux;
using Kedge.Node.ControlLink;
using Kedge.Node.KeyExchange;
using Kedge.Node.Routing;
using Kedge.Node.Uapi;
using Kedge.Protocol.Ip;

namespace Kedge.Commands.Node;

/// <summary>Where the files of joined interfaces are: options that the commands of a node share.</summary>
internal sealed class NodePlaces
{
    private readonly Option<string> _stateDirectory = Setting.Text(
        "--state-dir", "DIRECTORY", "KEDGE_STATE_DIR", NodeFolder.DefaultStateDirectory, "Where keys, certificate and map are kept.");

    private readonly Option<string> _runDirectory = Commands.RunDirectory.Option();

    private readonly Option<string> _runtimeDirectory = RuntimeDirectory.Option();

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Options.Add(_stateDirectory);
        command.Options.Add(_runDirectory);
        command.Options.Add(_runtimeDirectory);
    }

    /// <summary>The places of one interface, as a call names them.</summary>
    public NodePlace Of(ParseResult call, string interfaceName) => new(
        interfaceName,
        new NodeFolder(StateDirectory(call), interfaceName),
        new RunFolder(RunDirectory(call), interfaceName),
        StateDirectory(call),
        RunDirectory(call),
        Path.GetFullPath(call.GetRequiredValue(_runtimeDirectory)));

    /// <summary>The folder of all interfaces.</summary>
    public string StateDirectory(ParseResult call) => Path.GetFullPath(call.GetRequiredValue(_stateDirectory));

    private string RunDirectory(ParseResult call) => Path.GetFullPath(call.GetRequiredValue(_runDirectory));
}

/// <summary>Where everything of one joined interface is.</summary>
/// <param name="Interface">The interface.</param>
/// <param name="Folder">Its state.</param>
/// <param name="Run">What it has while it runs.</param>
/// <param name="StateDirectory">The folder of all states.</param>
/// <param name="RunDirectory">The folder of all that runs.</param>
/// <param name="RuntimeDirectory">Where its node process's socket is.</param>
internal sealed record NodePlace(
    string Interface, NodeFolder Folder, RunFolder Run, string StateDirectory, string RunDirectory, string RuntimeDirectory)
{
    /// <summary>Where everything of an interface is where nothing else is asked for, as for a service.</summary>
    public static NodePlace Default(string interfaceName) => new(
        interfaceName,
        new NodeFolder(NodeFolder.DefaultStateDirectory, interfaceName),
        new RunFolder(RunFolder.DefaultRunDirectory, interfaceName),
        NodeFolder.DefaultStateDirectory,
        RunFolder.DefaultRunDirectory,
        UapiSocket.DefaultDirectory);

    /// <summary>The node process's socket.</summary>
    public string Socket => Path.Combine(RuntimeDirectory, Interface + ".sock");

    /// <summary>When keys were last exchanged with its peers.</summary>
    public ExchangeFolder Exchanges => new(RunDirectory, Interface);
}

/// <summary>The options that name an interface.</summary>
internal static class InterfaceOption
{
    /// <summary>The interface where none is named.</summary>
    public const string Default = "kedge0";

    /// <summary>A new option for one command.</summary>
    public static Option<string> Create()
    {
        Option<string> option = Setting.Text("--interface", "NAME", "KEDGE_INTERFACE", Default, "The interface of the zone.");
        option.Validators.Add(result => Check(result, result.GetValueOrDefault<string>()));
        return option;
    }

    /// <summary>Refuses what cannot be an interface's name.</summary>
    public static void Check(SymbolResult result, string name)
    {
        if (InterfaceName.Error(name) is { } error)
            result.AddError(error);
        else if (name.Contains('%', StringComparison.Ordinal))
            result.AddError($"'{name}' cannot be an interface's name here: the kernel takes '%' for a pattern.");
    }
}

/// <summary>
/// What <c>kedge up</c> is asked for, as options with a variable each. What is not asked for stays as it was asked for before; lists are
/// separated by commas, and an empty one takes away what was asked for before.
/// </summary>
internal sealed class NodeOptions
{
    private const int LeastMtu = 576; // RFC 791: what every host takes

    private readonly Option<string?> _name = Text(
        "--name", "NAME", "KEDGE_NAME",
        "The name to ask for in the zone: letters, digits and hyphens. Default: the machine's. Where an administrator has renamed the node, his "
        + "name stays until another one is asked for.");

    private readonly Option<string?> _zone = Text("--zone", "ZONE", "KEDGE_ZONE", "The zone to join, by name or identifier. Default: the join line's.");

    private readonly Option<string?> _requestIp = List(
        "--request-ip", "ADDRESS", "KEDGE_REQUEST_IP", "The address to have in the zone, one a family.",
        text => IpAddress.TryParse(text, out _), "an address such as 10.200.0.7 or fd00::7");

    private readonly Option<string?> _childPrefix = List(
        "--child-prefix", "PREFIX", "KEDGE_CHILD_PREFIX", "Networks behind this node that the others are to reach.",
        text => text.Contains('/', StringComparison.Ordinal) && IpPrefix.TryParse(text, out _), "a prefix such as 10.7.0.0/24 or fd07::/64");

    private readonly Option<int?> _listenPort = Setting.Number("--listen-port", "KEDGE_LISTEN_PORT", 0, 65535, "The UDP port; 0 for any, which is then kept.");

    private readonly Option<int?> _mtu = Setting.Number(
        "--mtu", "KEDGE_MTU", LeastMtu, 65535, $"Bytes of the longest packet. Default: {NodeSettings.DefaultMtu}.");

    private readonly Option<string?> _fwmark = Text(
        "--fwmark", "BIT", "KEDGE_FWMARK",
        $"The bit of the firewall mark by which this machine tells the node's own datagrams from what goes into the tunnel. Default: "
        + $"{FirewallMark.Default}.");

    private readonly Option<string?> _namespace = Text(
        "--netns", "NAME", "KEDGE_NETNS", "Put the interface into this network namespace of 'ip netns'; the UDP port stays outside.");

    private readonly Option<bool?> _ephemeral = Flag("--ephemeral", "KEDGE_EPHEMERAL", "Have the controller forget this node some time after it was last seen.");

    private readonly Option<string?> _privateKeyFile = Text(
        "--private-key-file", "FILE", "KEDGE_PRIVATE_KEY_FILE", "The WireGuard private key, as 'wg genkey' prints it. Default: one that is made.");

    private readonly Option<string?> _localEndpointIp = List(
        "--local-endpoint-ip", "ADDRESS", "KEDGE_LOCAL_ENDPOINT_IP", "Where the others are to reach this node, with or without a port, in place of what STUN sees.",
        text => IpAddress.TryParse(text, out _) || Endpoint.TryParse(text, out _), "an address such as 192.0.2.1, or 192.0.2.1:51820");

    private readonly Option<bool?> _internalNetwork = Flag(
        "--internal-network", "KEDGE_INTERNAL_NETWORK", "All nodes are in one network: use local addresses, and ask no STUN server.");

    private readonly Option<bool?> _noPortMapping = Flag(
        "--no-port-mapping", "KEDGE_NO_PORT_MAPPING", "Do not ask the gateway to map the UDP port, by PCP or NAT-PMP.");

    private readonly Option<bool?> _relay = Flag(
        "--relay", "KEDGE_RELAY",
        "Pass on encrypted packets between nodes that do not reach each other directly. The node needs the tag 'relay', as of 'kedge token create "
        + "--relay'.");

    private readonly Option<int?> _relayRate = Setting.Number(
        "--relay-rate", "KEDGE_RELAY_RATE", 0, 100_000,
        $"Megabits a second that a relay passes on for each two nodes, and ten times as much for all; 0 for no limit. Default: {NodeSettings.DefaultRelayRate}.");

    private Option[] All =>
    [
        _name, _zone, _requestIp, _childPrefix, _listenPort, _mtu, _fwmark, _namespace, _ephemeral,
        _privateKeyFile, _localEndpointIp, _internalNetwork, _noPortMapping, _relay, _relayRate,
    ];

    /// <summary>Those that a service has too: its units put the interface into their own namespace, and the key into the node's folder.</summary>
    public IReadOnlyList<Option> ForServices => [.. All.Except([_namespace, _privateKeyFile])];

    /// <summary>Those that can be changed while a node runs: an interface cannot be moved, nor a node to another zone.</summary>
    public IReadOnlyList<Option> Changeable => [.. All.Except([_zone, _namespace, _privateKeyFile])];

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        _fwmark.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is { Length: > 0 } text && !FirewallMark.TryParse(text, out _))
            {
                string source = result.Implicit ? "KEDGE_FWMARK" : "--fwmark";
                result.AddError($"{source} is '{text}', but must be one bit of a mark, such as {FirewallMark.Default}.");
            }
        });
        foreach (Option option in All)
            command.Options.Add(option);
    }

    /// <summary>The UDP port that a call asks for; 0 for none, or any.</summary>
    public ushort AskedPort(ParseResult call) => (ushort)(call.GetValue(_listenPort) ?? 0);

    /// <summary>What a call asks for, by its options or the environment, on top of what was asked for before.</summary>
    public NodeSettings Apply(ParseResult call, NodeSettings before) => Apply(new Answers(call, GivenOnly: false), before);

    /// <summary>What a call itself asks for, by its options alone, on top of what was asked for before.</summary>
    public NodeSettings ApplyGiven(ParseResult call, NodeSettings before) => Apply(new Answers(call, GivenOnly: true), before);

    private NodeSettings Apply(Answers call, NodeSettings before) => before with
    {
        Name = call.Text(_name, before.Name),
        Zone = call.Text(_zone, before.Zone),
        RequestedAddresses = call.Items(_requestIp) ?? before.RequestedAddresses,
        ChildPrefixes = call.Items(_childPrefix)?.Select(text => IpPrefix.Parse(text).ToString()).ToArray() ?? before.ChildPrefixes,
        ListenPort = call.Value(_listenPort) ?? before.ListenPort,
        Mtu = call.Value(_mtu) ?? before.Mtu,
        Fwmark = call.Value(_fwmark) switch
        {
            null => before.Fwmark,
            "" => null,
            var text => FirewallMark.TryParse(text, out FirewallMark mark) ? mark.Bit : before.Fwmark,
        },
        NetworkNamespace = call.Text(_namespace, before.NetworkNamespace),
        Ephemeral = call.Value(_ephemeral) ?? before.Ephemeral,
        PrivateKeyFile = call.Text(_privateKeyFile, before.PrivateKeyFile) is { } path ? Path.GetFullPath(path) : null,
        LocalEndpointAddresses = call.Items(_localEndpointIp) ?? before.LocalEndpointAddresses,
        InternalNetwork = call.Value(_internalNetwork) ?? before.InternalNetwork,
        NoPortMapping = call.Value(_noPortMapping) ?? before.NoPortMapping,
        Relay = call.Value(_relay) ?? before.Relay,
        RelayRate = call.Value(_relayRate) ?? before.RelayRate,
    };

    /// <summary>What a call has said to options.</summary>
    /// <param name="Call">The call.</param>
    /// <param name="GivenOnly">Whether what the environment says does not count.</param>
    private readonly record struct Answers(ParseResult Call, bool GivenOnly)
    {
        public T? Value<T>(Option<T?> option) => GivenOnly && Call.GetResult(option) is not { Implicit: false } ? default : Call.GetValue(option);

        public string? Text(Option<string?> option, string? before) => Value(option) switch
        {
            null => before,
            "" => null,
            var text => text,
        };

        public string[]? Items(Option<string?> option) =>
            Value(option)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
    }

    private static Option<string?> Text(string name, string valueName, string variable, string description) => new(name)
    {
        Description = $"{description} [env: {variable}]",
        HelpName = valueName,
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable(variable),
    };

    private static Option<string?> List(string name, string valueName, string variable, string description, Func<string, bool> isItem, string expected)
    {
        Option<string?> option = Text(name, $"{valueName}[,…]", variable, description);
        option.Validators.Add(result =>
        {
            string text = result.GetValueOrDefault<string?>() ?? "";
            foreach (string item in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
                if (!isItem(item))
                    result.AddError($"{(result.Implicit ? variable : name)} is '{item}', but must be {expected}.");
        });
        return option;
    }

    private static Option<bool?> Flag(string name, string variable, string description) => new(name)
    {
        Description = $"{description} '{name} false' takes it back. [env: {variable}=true]",
        DefaultValueFactory = _ => bool.TryParse(Environment.GetEnvironmentVariable(variable), out bool value) ? value : null,
    };
}
