using System.CommandLine;
using Kedge.Demo;
using Kedge.Demo.Mesh;
using Kedge.Demo.Networks;
using Kedge.Demo.Warp;
using Kedge.Protocol;
using Command = System.CommandLine.Command;

namespace Kedge.Commands;

/// <summary><c>kedge demo [mesh|wg|pq|p2p|warp]</c>: the real thing in network namespaces of this machine.</summary>
internal sealed class DemoCommand : Command
{
    private readonly Option<bool> _json = new("--json") { Description = "Print one JSON object a check.", Recursive = true };

    public DemoCommand()
        : base("demo", "Show a mesh of a controller and eight nodes, in network namespaces of this machine. Needs root.")
    {
        Options.Add(_json);
        var mesh = new Command("mesh", "A controller, eight nodes and a stock WireGuard device in two zones; the default.");
        var wg = new Command("wg", "A tunnel between Kedge and the distribution's wireguard-go.");
        var pq = new Command("pq", "A tunnel whose preshared keys come from Rosenpass, and what an eavesdropper would need.");
        var p2p = new Command("p2p", "A network without a controller: certificates, one knock, and what a stranger gets.");
        var warp = new Command("warp", "A web server behind a NAT, published by a machine outside, and what a visitor sees when it goes away.");
        Subcommands.Add(mesh);
        Subcommands.Add(wg);
        Subcommands.Add(pq);
        Subcommands.Add(p2p);
        Subcommands.Add(warp);
        SetAction(RunMesh);
        mesh.SetAction(RunMesh);
        wg.SetAction(call => Run(call, (program, report) => new WireGuardDemo(program, report).Run()));
        pq.SetAction(call => Run(call, (program, report) => new RosenpassDemo(program, report).Run()));
        p2p.SetAction(call => Run(call, (program, report) => new NetworkDemo(program, report).Run()));
        warp.SetAction(call => Run(call, (program, report) => new WarpDemo(program, report).Run()));
    }

    private int RunMesh(ParseResult call) => Run(call, (program, report) => new MeshDemo(program, report).Run());

    private int Run(ParseResult call, Func<string, DemoReport, bool> demo)
    {
        if (!Environment.IsPrivilegedProcess)
            throw new UserError("'kedge demo' makes network namespaces and TUN interfaces: run it as root.");
        try
        {
            return demo(Environment.ProcessPath!, new DemoReport(Console.Out, call.GetValue(_json))) ? 0 : 1;
        }
        catch (CommandException e)
        {
            throw new UserError($"The demo could not be set up. {e.Message}", e);
        }
    }
}
