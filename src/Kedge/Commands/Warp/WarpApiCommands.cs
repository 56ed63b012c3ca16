using System.CommandLine;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Kedge.Commands.Admin;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Warp;
using Kedge.Warp.Api;

namespace Kedge.Commands.Warp;

/// <summary><c>kedge warp open</c>: opens a port.</summary>
internal sealed class WarpOpenCommand : WarpApiCommand
{
    private readonly Argument<string> _uid = new("UID") { Description = "The connector: the common name of its certificate." };
    private readonly Argument<int> _port = Setting.Number("PORT", 0, ushort.MaxValue, "The TCP port that callers connect to; 0 for any that is free.");
    private readonly Argument<string> _target = new("TARGET") { Description = "Where the connector connects them to, such as 127.0.0.1:22." };

    private readonly Option<string> _address = new("--address")
    {
        Description = "The address that callers connect to; what the listener was started with unless told otherwise.",
        HelpName = "ADDRESS",
    };

    private readonly Option<bool> _json = new("--json") { Description = "Print the port as JSON." };

    public WarpOpenCommand()
        : base("open", "Open a port at the listener, whose connections a connector connects to a target.")
    {
        Arguments.Add(_uid);
        Arguments.Add(_port);
        Arguments.Add(_target);
        Options.Add(_address);
        Options.Add(_json);
        _target.Validators.Add(result =>
        {
            if (!WarpTarget.TryParse(result.Tokens[0].Value, out _))
                result.AddError($"'{result.Tokens[0].Value}' is not a target: name HOST:PORT, such as 127.0.0.1:22 or db.internal:5432.");
        });
    }

    /// <inheritdoc/>
    protected override async Task RunAsync(ParseResult call)
    {
        var opening = new WarpOpening
        {
            Uid = call.GetRequiredValue(_uid),
            Port = call.GetRequiredValue(_port),
            Target = call.GetRequiredValue(_target),
            Address = call.GetValue(_address),
        };
        WarpPortEntry port = (await AskAsync(
            call, HttpMethod.Post, "api/v1/warps", JsonContent.Create(opening, WarpJson.Default.WarpOpening), WarpJson.Default.WarpPortEntry))!;
        Console.Out.WriteLine(call.GetValue(_json)
            ? JsonSerializer.Serialize(port, WarpJson.Default.WarpPortEntry)
            : $"{port.Address} port {port.Port} leads to {port.Target} at {PrintableText.Clean(port.Uid)}");
    }
}

/// <summary><c>kedge warp close</c>: closes a port.</summary>
internal sealed class WarpCloseCommand : WarpApiCommand
{
    private readonly Argument<int> _port = Setting.Number("PORT", 1, ushort.MaxValue, "The TCP port that callers connect to.");

    public WarpCloseCommand()
        : base("close", "Close a port at the listener. Connections that are there go on to their end.") => Arguments.Add(_port);

    /// <inheritdoc/>
    protected override async Task RunAsync(ParseResult call)
    {
        int port = call.GetRequiredValue(_port);
        await AskAsync(call, HttpMethod.Delete, string.Create(CultureInfo.InvariantCulture, $"api/v1/warps/{port}"), null, WarpJson.Default.WarpState);
        Console.Out.WriteLine($"port {port} is closed");
    }
}

/// <summary><c>kedge warp list</c>: the opened ports.</summary>
internal sealed class WarpListCommand : WarpApiCommand
{
    private readonly Option<bool> _json = new("--json") { Description = "Print the ports as JSON." };

    public WarpListCommand()
        : base("list", "Show the opened ports, and what they have carried.") => Options.Add(_json);

    /// <inheritdoc/>
    protected override async Task RunAsync(ParseResult call)
    {
        WarpState state = (await AskAsync(call, HttpMethod.Get, "api/v1/warps", null, WarpJson.Default.WarpState))!;
        Console.Out.Write(call.GetValue(_json)
            ? JsonSerializer.Serialize(state with { Connectors = [] }, WarpJson.Default.WarpState) + "\n"
            : Table(state.Ports));
    }

    /// <summary>The ports for a terminal.</summary>
    public static string Table(IReadOnlyList<WarpPortEntry> ports) => TextTable.Format(
        ["PORT", "ADDRESS", "UID", "TARGET", "STATE", "NOW", "CONNECTIONS", "FAILED", "IN", "OUT"],
        ports.Select(port => (string[])
        [
            Words.Number(port.Port), port.Address, port.Uid, port.Target,
            port.Failure is { } failure ? $"not open: {failure}" : port.Connected ? "open" : "open, no connector",
            Words.Number(port.ActiveConnections), Words.Number(port.Connections), Words.Number(port.FailedConnections),
            Words.Number(port.BytesIn), Words.Number(port.BytesOut),
        ]),
        "No port is open.");
}

/// <summary><c>kedge warp status</c>: the connectors that are there, and the ports.</summary>
internal sealed class WarpStatusCommand : WarpApiCommand
{
    private readonly Option<bool> _json = new("--json") { Description = "Print connectors and ports as JSON." };

    public WarpStatusCommand()
        : base("status", "Show which connectors are there, since when and how far away, and the ports.") => Options.Add(_json);

    /// <inheritdoc/>
    protected override async Task RunAsync(ParseResult call)
    {
        WarpState state = (await AskAsync(call, HttpMethod.Get, "api/v1/warps", null, WarpJson.Default.WarpState))!;
        if (call.GetValue(_json))
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(state, WarpJson.Default.WarpState));
            return;
        }
        Console.Out.WriteLine(TextTable.Format(
            ["CONNECTOR", "ADDRESS", "PROTOCOL", "SINCE", "ROUND TRIP", "NOW"],
            state.Connectors.Select(connector => (string[])
            [
                connector.Uid, connector.Address, connector.Protocol, Words.Time(connector.Since),
                string.Create(CultureInfo.InvariantCulture, $"{connector.RoundTripMilliseconds:0.0} ms"), Words.Number(connector.ActiveConnections),
            ]),
            "No connector is there."));
        Console.Out.Write(WarpListCommand.Table(state.Ports));
    }
}
