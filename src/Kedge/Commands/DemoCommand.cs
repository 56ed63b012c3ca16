using System.CommandLine;
using Kedge.Demo;
using Kedge.Protocol;
using Command = System.CommandLine.Command;

namespace Kedge.Commands;

/// <summary><c>kedge demo</c>: the real thing in network namespaces of this machine.</summary>
internal sealed class DemoCommand : Command
{
    private readonly Option<bool> _json = new("--json") { Description = "Print one JSON object a check." };

    public DemoCommand()
        : base("demo", "Show a tunnel between Kedge and wireguard-go, in network namespaces of this machine. Needs root.")
    {
        Options.Add(_json);
        SetAction(call => Run(call.GetValue(_json)));
    }

    private static int Run(bool asJson)
    {
        if (!Environment.IsPrivilegedProcess)
            throw new UserError("'kedge demo' makes network namespaces and TUN interfaces: run it as root.");
        try
        {
            var demo = new WireGuardDemo(Environment.ProcessPath!, new DemoReport(Console.Out, asJson));
            return demo.Run() ? 0 : 1;
        }
        catch (CommandException e)
        {
            throw new UserError($"The demo could not be set up. {e.Message}", e);
        }
    }
}
