using System.CommandLine;
using Kedge.Node.Uapi;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Commands;

/// <summary><c>kedge status INTERFACE</c>: what a running device does, for a person or as JSON. Shows no secret.</summary>
internal sealed class StatusCommand : Command
{
    private readonly Argument<string> _interface = new("INTERFACE") { Description = "The device's interface, such as wg0." };
    private readonly Option<bool> _json = new("--json") { Description = "Print one JSON object." };
    private readonly Option<string> _runtimeDirectory = RuntimeDirectory.Option();

    public StatusCommand()
        : base("status", "Show a device, its peers, and what it has dropped and why.")
    {
        Arguments.Add(_interface);
        Options.Add(_json);
        Options.Add(_runtimeDirectory);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        string name = call.GetRequiredValue(_interface);
        using DeviceStatus status = UapiClient.GetStatus(call.GetRequiredValue(_runtimeDirectory), name);
        Console.Out.Write(call.GetValue(_json) ? StatusJson.Format(name, status) : StatusText.Format(name, status, DateTimeOffset.UtcNow));
        return 0;
    }
}
