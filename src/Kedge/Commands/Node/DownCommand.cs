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

    private readonly Option<bool> _forget = new("--forget")
    {
        Description = "Also remove this node's keys without a word to the controller: for a network whose controller is gone for good.",
    };

    private readonly NodePlaces _places = new();

    public DownCommand()
        : base("down", "End an interface: its processes, addresses, routes and rules.")
    {
        Options.Add(_interface);
        Options.Add(_leave);
        Options.Add(_forget);
        Validators.Add(result =>
        {
            if (result.GetValue(_leave) && result.GetValue(_forget))
                result.AddError("--leave and --forget exclude each other: --forget is for a controller that cannot be told.");
        });
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
        bool forgets = call.GetValue(_forget);
        LeaveResult? left = call.GetValue(_leave) ? await Leaving.LeaveAsync(place.Folder) : null;
        string? stillThere = forgets ? WhatTheControllerHas(place.Folder) : null;
        bool isService = InterfaceTeardown.Run(place, mayBeDamaged: forgets);
        if (left?.Refusal is { } refusal)
        {
            throw new UserError(
                $"{place.Interface} is down, but the controller may still have this node, and its keys are kept: {refusal} "
                + "Try 'kedge down --leave' again, or, if the controller is gone for good, 'kedge down --forget'.");
        }
        if (left is not null || forgets)
            place.Folder.Delete();
        Console.Error.WriteLine($"kedge: {place.Interface} is down{(left, forgets) switch
        {
            ({ WasMember: true }, _) => ", and this node has left its network.",
            ({ WasMember: false }, _) => ". The controller did not have this node any more; its keys are removed.",
            (_, true) => $", and its keys are removed.{stillThere}",
            _ => $". 'kedge up --interface {place.Interface}' takes it up again.",
        }}");
        if (isService)
        {
            Console.Error.WriteLine(
                "kedge: It is a service, and starts again at the next boot. 'kedge service uninstall node' changes that.");
        }
        return 0;
    }

    private static string? WhatTheControllerHas(NodeFolder folder)
    {
        try
        {
            return Membership.Read(folder) is { Status: not Membership.Removed } membership
                ? $" As far as is known, the controller at {membership.Controller} still has the node {membership.Name} with "
                    + $"{string.Join(", ", membership.Addresses.Concat(membership.ChildPrefixes))}: 'kedge node remove {membership.Name}' "
                    + "removes it there."
                : null;
        }
        catch (UserError)
        {
            return null; // it is to be forgotten, whatever it was
        }
    }
}
