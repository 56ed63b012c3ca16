using System.CommandLine;
using Kedge.Node.ControlLink;
using Kedge.Protocol;

namespace Kedge.Commands.Node;

/// <summary>
/// <c>kedge down</c>: ends the processes of an interface, and removes the interface, its routes and rules, whether or not anything runs.
/// The node stays a member of its zone, unless it is told to leave.
/// </summary>
internal sealed class DownCommand : Command
{
    private readonly Option<string> _interface = InterfaceOption.Create();

    private readonly Option<bool> _leave = new("--leave")
    {
        Description = "Also leave the network: the controller forgets this node, and its keys are removed.",
    };

    private readonly NodePlaces _places = new();

    public DownCommand()
        : base("down", "End an interface: its processes, addresses, routes and rules.")
    {
        Options.Add(_interface);
        Options.Add(_leave);
        _places.AddTo(this);
        SetAction((call, _) => RunAsync(call));
    }

    private async Task<int> RunAsync(ParseResult call)
    {
        NodePlace place = _places.Of(call, call.GetRequiredValue(_interface));
        if (!Environment.IsPrivilegedProcess)
            throw new UserError("'kedge down' removes a network interface and routes: run it as root.");
        if (!Directory.Exists(place.Folder.Path))
        {
            IReadOnlyList<string> joined = NodeFolder.Joined(place.StateDirectory);
            throw new UserError(
                $"{place.Interface} is no interface of a zone: there is no {place.Folder.Path}. "
                + (joined.Count == 0 ? "This machine has joined none." : $"This machine has {string.Join(", ", joined)}."));
        }
        string? refusal = call.GetValue(_leave) ? await Leaving.TryLeaveAsync(place.Folder) : null;
        bool isService = InterfaceTeardown.Run(place);
        if (refusal is not null)
        {
            throw new UserError(
                $"{place.Interface} is down, but the controller still has this node, and its keys are kept: {refusal} "
                + "Try 'kedge down --leave' again, or have an administrator remove the node.");
        }
        if (call.GetValue(_leave))
            place.Folder.Delete();
        Console.Error.WriteLine(call.GetValue(_leave)
            ? $"kedge: {place.Interface} is down, and this node has left its network."
            : $"kedge: {place.Interface} is down. 'kedge up --interface {place.Interface}' takes it up again.");
        if (isService)
        {
            Console.Error.WriteLine(
                "kedge: It is a service, and starts again at the next boot. 'kedge service uninstall node' changes that.");
        }
        return 0;
    }
}
