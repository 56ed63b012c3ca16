using System.CommandLine;
using Kedge.Protocol.Api;

namespace Kedge.Commands.Admin;

/// <summary><c>kedge node create NAME --public-key KEY</c>.</summary>
internal sealed class NodeCreateCommand : AdminCommand
{
    private readonly Argument<string> _name = Inputs.NewName("NAME", "What to call it: a-z, 0-9 and '-'; unique in its zone.");
    private readonly Option<string> _publicKey = Inputs.PublicKey();
    private readonly Option<string?> _zone = Inputs.InZone("The zone that it becomes a member of; 'default' unless told otherwise.");

    private readonly Option<string?> _endpoint = Inputs.Endpoint(
        "Where the others can reach it; without one it must speak first.");

    private readonly Option<string[]> _addresses = Inputs.Addresses(
        "--address", "An address of the zone that it is to have, at most one a family; without one the controller chooses.");

    private readonly Option<string[]> _childPrefixes = Inputs.Prefixes("--child-prefix", "A network behind it that the others are to reach.");
    private readonly Option<string[]> _tags = Inputs.Tags("A tag.");

    public NodeCreateCommand()
        : base("create", "Create a stock WireGuard peer: a member that runs no Kedge. Nothing proves that it has the private key.") =>
        Take(hasJson: true, _name, _publicKey, _zone, _endpoint, _addresses, _childPrefixes, _tags);

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        RegisteredNode node = await controller.CreateNodeAsync(new NodeCreation
        {
            Name = call.GetRequiredValue(_name),
            Zone = call.GetValue(_zone) ?? "default",
            WireGuardKey = call.GetRequiredValue(_publicKey),
            FixedEndpoint = call.GetValue(_endpoint),
            RequestedAddresses = call.GetRequiredValue(_addresses),
            ChildPrefixes = call.GetRequiredValue(_childPrefixes),
            Tags = call.GetRequiredValue(_tags),
        });
        Print(call, node, shown => NodeText.Properties(shown, DateTimeOffset.UtcNow));
        if (!WantsJson(call))
        {
            Explain(
                call,
                $"Its file for wg-quick: kedge node show {node.Name} --zone {node.ZoneName} --wg-config --private-key-file FILE --out wg0.conf");
        }
    }
}

/// <summary><c>kedge node rename NODE NAME</c>.</summary>
internal sealed class NodeRenameCommand : AdminCommand
{
    private readonly Argument<string> _node = Inputs.Node();
    private readonly Argument<string> _name = Inputs.NewName("NAME", "Its new name: a-z, 0-9 and '-'; unique in its zone.");
    private readonly Option<string?> _zone = Inputs.InZone("Its zone, where several have a node of this name.");

    public NodeRenameCommand()
        : base("rename", "Give a node another name. It keeps that until its own 'kedge up --name' names another one than before.") => Take(hasJson: true, _node, _name, _zone);

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        var change = new NodeChange { Name = call.GetRequiredValue(_name) };
        RegisteredNode node = await controller.ChangeNodeAsync(call.GetRequiredValue(_node), call.GetValue(_zone), change);
        Print(call, node, shown => NodeText.Properties(shown, DateTimeOffset.UtcNow));
    }
}

/// <summary><c>kedge node change NODE</c>.</summary>
internal sealed class NodeChangeCommand : AdminCommand
{
    private readonly Argument<string> _node = Inputs.Node();
    private readonly Option<string?> _zone = Inputs.InZone("Its zone, where several have a node of this name.");
    private readonly Option<string[]> _tags = Inputs.Tags("A tag, in place of all it had.");
    private readonly Option<bool> _noTags = new("--no-tags") { Description = "Take all its tags away." };
    private readonly Option<string?> _endpoint = Inputs.Endpoint("Where the others can reach it, in place of what it had.");
    private readonly Option<bool> _noEndpoint = new("--no-endpoint") { Description = "Take its fixed endpoint away." };

    public NodeChangeCommand()
        : base("change", "Change a node's tags or its fixed endpoint.")
    {
        Take(hasJson: true, _node, _zone, _tags, _noTags, _endpoint, _noEndpoint);
        Validators.Add(result =>
        {
            bool tags = result.GetResult(_tags) is { Implicit: false }, endpoint = result.GetResult(_endpoint) is not null;
            bool noTags = result.GetValue(_noTags), noEndpoint = result.GetValue(_noEndpoint);
            if (!tags && !noTags && !endpoint && !noEndpoint)
                result.AddError("Nothing is to change: give --tag, --no-tags, --endpoint or --no-endpoint.");
            if (tags && noTags)
                result.AddError("--tag and --no-tags contradict each other: give one of them.");
            if (endpoint && noEndpoint)
                result.AddError("--endpoint and --no-endpoint contradict each other: give one of them.");
        });
    }

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        string[] tags = call.GetRequiredValue(_tags);
        var change = new NodeChange
        {
            Tags = tags.Length > 0 || call.GetValue(_noTags) ? tags : null,
            FixedEndpoint = call.GetValue(_noEndpoint) ? "" : call.GetValue(_endpoint),
        };
        RegisteredNode node = await controller.ChangeNodeAsync(call.GetRequiredValue(_node), call.GetValue(_zone), change);
        Print(call, node, shown => NodeText.Properties(shown, DateTimeOffset.UtcNow));
    }
}

/// <summary><c>kedge node approve NODE</c>.</summary>
internal sealed class NodeApproveCommand : AdminCommand
{
    private readonly Argument<string> _node = Inputs.Node();
    private readonly Option<string?> _zone = Inputs.InZone("Its zone, where several have a node of this name.");

    public NodeApproveCommand()
        : base("approve", "Approve what a node waits for: to become a member, or networks behind it.") => Take(hasJson: true, _node, _zone);

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        RegisteredNode node = await controller.ApproveNodeAsync(call.GetRequiredValue(_node), call.GetValue(_zone));
        Print(call, node, shown => NodeText.Properties(shown, DateTimeOffset.UtcNow));
    }
}

/// <summary><c>kedge node remove NODE</c>.</summary>
internal sealed class NodeRemoveCommand : AdminCommand
{
    private readonly Argument<string> _node = Inputs.Node();
    private readonly Option<string?> _zone = Inputs.InZone("Its zone, where several have a node of this name.");
    private readonly Confirmation _confirmation = new();

    public NodeRemoveCommand()
        : base("remove", "Remove a node: the others stop talking to it within a second, and its keys are refused from then on.")
    {
        Take(hasJson: false, _node, _zone, _confirmation.Option);
        _confirmation.Guard(this);
    }

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        RegisteredNode node = await controller.GetNodeAsync(call.GetRequiredValue(_node), call.GetValue(_zone));
        _confirmation.Ask(call, $"Remove node {node.Name} of zone {node.ZoneName} ({Words.List(node.Addresses)})?");
        await controller.RemoveNodeAsync(node.Id.ToString(), null);
        Say(call, $"Node {node.Name} of zone {node.ZoneName} is removed.");
    }
}
