using System.CommandLine;
using Kedge.Protocol.Api;

namespace Kedge.Commands.Admin;

/// <summary><c>kedge zone</c>: networks whose nodes reach each other, and nobody else.</summary>
internal sealed class ZoneCommand : Command
{
    public ZoneCommand()
        : base("zone", "Manage zones: networks whose nodes reach each other, and nobody else.")
    {
        Subcommands.Add(new ZoneCreateCommand());
        Subcommands.Add(new ZoneListCommand());
        Subcommands.Add(new ZoneShowCommand());
        Subcommands.Add(new ZoneChangeCommand());
        Subcommands.Add(new ZoneDeleteCommand());
    }
}

/// <summary><c>kedge zone create NAME --prefix PREFIX</c>.</summary>
internal sealed class ZoneCreateCommand : AdminCommand
{
    private readonly Argument<string> _name = Inputs.NewName("NAME", "What to call it: a-z, 0-9 and '-'; unique in the network.");

    private readonly Option<string[]> _prefixes = Inputs.Prefixes(
        "--prefix", "What its addresses are taken from: one IPv4 prefix, one IPv6 prefix, or both.");

    private readonly Option<string?> _description = Inputs.Text("--description", "TEXT", "What it is for, in a line.");

    public ZoneCreateCommand()
        : base("create", "Create a zone. Its prefixes may be those of other zones too.")
    {
        _prefixes.DefaultValueFactory = null;
        _prefixes.Required = true;
        Take(hasJson: true, _name, _prefixes, _description);
    }

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        Zone zone = await controller.CreateZoneAsync(new ZoneCreation
        {
            Name = call.GetRequiredValue(_name),
            Prefixes = call.GetRequiredValue(_prefixes),
            Description = call.GetValue(_description) ?? "",
        });
        Print(call, zone, ZoneText.Properties);
    }
}

/// <summary><c>kedge zone list</c>.</summary>
internal sealed class ZoneListCommand : AdminCommand
{
    public ZoneListCommand()
        : base("list", "List all zones.") => Take(hasJson: true);

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call) =>
        Print(call, await controller.ListZonesAsync(), ZoneText.Table);
}

/// <summary><c>kedge zone show ZONE</c>.</summary>
internal sealed class ZoneShowCommand : AdminCommand
{
    private readonly Argument<string> _zone = Inputs.Zone();

    public ZoneShowCommand()
        : base("show", "Show one zone.") => Take(hasJson: true, _zone);

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call) =>
        Print(call, await controller.GetZoneAsync(call.GetRequiredValue(_zone)), ZoneText.Properties);
}

/// <summary><c>kedge zone change ZONE</c>.</summary>
internal sealed class ZoneChangeCommand : AdminCommand
{
    private readonly Argument<string> _zone = Inputs.Zone();
    private readonly Option<string?> _name = Inputs.Text("--name", "NAME", "A new name.");
    private readonly Option<string?> _description = Inputs.Text("--description", "TEXT", "A new description; \"\" for none.");

    public ZoneChangeCommand()
        : base("change", "Change a zone's name or description. Its prefixes are for good.")
    {
        Take(hasJson: true, _zone, _name, _description);
        Validators.Add(result =>
        {
            if (result.GetResult(_name) is null && result.GetResult(_description) is null)
                result.AddError("Nothing is to change: give --name or --description.");
        });
    }

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        var change = new ZoneChange { Name = call.GetValue(_name), Description = call.GetValue(_description) };
        Print(call, await controller.ChangeZoneAsync(call.GetRequiredValue(_zone), change), ZoneText.Properties);
    }
}

/// <summary><c>kedge zone delete ZONE</c>.</summary>
internal sealed class ZoneDeleteCommand : AdminCommand
{
    private readonly Argument<string> _zone = Inputs.Zone();
    private readonly Option<bool> _force = new("--force") { Description = "Delete it even if nodes are in it; they are removed." };
    private readonly Confirmation _confirmation = new();

    public ZoneDeleteCommand()
        : base("delete", "Delete a zone, and its tokens with it. Refused while nodes are in it.")
    {
        Take(hasJson: false, _zone, _force, _confirmation.Option);
        _confirmation.Guard(this);
    }

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        Zone zone = await controller.GetZoneAsync(call.GetRequiredValue(_zone));
        bool force = call.GetValue(_force);
        string what = force && zone.Nodes > 0 ? $"zone {zone.Name} and remove {ZoneText.Nodes(zone.Nodes)} in it" : $"zone {zone.Name}";
        _confirmation.Ask(call, $"Delete {what}?");
        await controller.DeleteZoneAsync(zone.Id.ToString(), force);
        Say(call, $"Zone {zone.Name} is deleted.");
    }
}

/// <summary>Zones as a person reads them.</summary>
internal static class ZoneText
{
    /// <summary>A table of zones.</summary>
    public static string Table(IReadOnlyList<Zone> zones) => TextTable.Format(
        ["NAME", "PREFIXES", "NODES", "DESCRIPTION"],
        zones.Select(zone => (string[])[zone.Name, Words.List(zone.Prefixes), Words.Number(zone.Nodes), zone.Description]),
        "There are no zones. Create one: kedge zone create NAME --prefix PREFIX");

    /// <summary>One zone.</summary>
    public static string Properties(Zone zone) => TextTable.FormatProperties(
    [
        ("name", zone.Name),
        ("id", zone.Id.ToString()),
        ("description", Words.OrNone(zone.Description)),
        ("prefixes", Words.List(zone.Prefixes)),
        ("nodes", Words.Number(zone.Nodes)),
        ("created", Words.Time(zone.CreatedAt)),
    ]);

    /// <summary>A number of nodes.</summary>
    public static string Nodes(int count) => count == 1 ? "the node" : $"the {Words.Number(count)} nodes";
}
