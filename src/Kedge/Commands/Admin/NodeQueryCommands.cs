using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using Kedge.Protocol.Api;
using Kedge.Startup;

namespace Kedge.Commands.Admin;

/// <summary><c>kedge node list</c>.</summary>
internal sealed class NodeListCommand : AdminCommand
{
    private readonly Option<string?> _zone = Inputs.InZone("Only the nodes of this zone.");

    public NodeListCommand()
        : base("list", "List the nodes of all zones, or of one.") => Take(hasJson: true, _zone);

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call) =>
        Print(call, await controller.ListNodesAsync(call.GetValue(_zone)), nodes => NodeText.Table(nodes, DateTimeOffset.UtcNow));
}

/// <summary><c>kedge node show NODE</c>.</summary>
internal sealed class NodeShowCommand : AdminCommand
{
    private readonly Argument<string> _node = Inputs.Node();
    private readonly Option<string?> _zone = Inputs.InZone("Its zone, where several have a node of this name.");

    private readonly Option<bool> _wgConfig = new("--wg-config")
    {
        Description = "Print its configuration file for wg-quick as of now. wg refuses it until the private key is filled in.",
    };

    private readonly Option<string?> _privateKeyFile = Inputs.Text(
        "--private-key-file", "FILE",
        "With --wg-config: fill in the private key from this file. It goes nowhere else; what is printed is secret then.");

    private readonly Option<string?> _out = Inputs.Text(
        "--out", "FILE", "With --wg-config: write it to a file that only its owner can read, in place of printing it.");

    public NodeShowCommand()
        : base("show", "Show one node, or the configuration file of a stock WireGuard peer.")
    {
        Take(hasJson: true, _node, _zone, _wgConfig, _privateKeyFile, _out);
        Validators.Add(result =>
        {
            bool wgConfig = result.GetValue(_wgConfig);
            if (wgConfig && result.GetValue<bool>("--json"))
                result.AddError("--wg-config and --json ask for different things: give one of them.");
            foreach (Option<string?> option in (Option<string?>[])[_privateKeyFile, _out])
                if (!wgConfig && result.GetResult(option) is not null)
                    result.AddError($"{option.Name} is about the file for wg-quick: add --wg-config.");
        });
    }

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        (string node, string? zone) = (call.GetRequiredValue(_node), call.GetValue(_zone));
        if (call.GetValue(_wgConfig))
            WriteFile(call, await controller.GetWireGuardConfigurationAsync(node, zone));
        else
            Print(call, await controller.GetNodeAsync(node, zone), shown => NodeText.Properties(shown, DateTimeOffset.UtcNow));
    }

    private void WriteFile(ParseResult call, string text)
    {
        byte[] file = call.GetValue(_privateKeyFile) is { } keyFile ? WgQuickFile.Fill(text, keyFile) : Encoding.UTF8.GetBytes(text);
        try
        {
            if (call.GetValue(_out) is { } path)
            {
                FileText.Write(path, file);
                return;
            }
            using Stream output = StandardOutput.Open();
            output.Write(file);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(file);
        }
    }
}

/// <summary>Nodes as a person reads them.</summary>
internal static class NodeText
{
    /// <summary>A table of nodes.</summary>
    /// <param name="nodes">The nodes.</param>
    /// <param name="now">The wall clock, for how long ago something was.</param>
    public static string Table(IReadOnlyList<RegisteredNode> nodes, DateTimeOffset now) => TextTable.Format(
        ["NAME", "ZONE", "STATUS", "ADDRESSES", "BEHIND IT", "LAST SEEN", "TAGS"],
        nodes.Select(node => (string[])
        [
            node.Name,
            node.ZoneName,
            Status(node),
            Words.List(node.Addresses),
            Words.List(node.ChildPrefixes.Concat(node.WaitingPrefixes.Select(prefix => $"{prefix} (waits)"))),
            Seen(node, now),
            Words.List(node.Tags),
        ]),
        "There are no nodes. Let one join: kedge token create");

    /// <summary>One node.</summary>
    /// <inheritdoc cref="Table"/>
    public static string Properties(RegisteredNode node, DateTimeOffset now)
    {
        List<(string Name, string Value)> properties =
        [
            ("name", node.Name),
            ("id", node.Id.ToString()),
            ("zone", node.ZoneName),
            ("kind", IsWireGuard(node) ? "stock WireGuard peer" : "Kedge node"),
            ("status", Status(node)),
        ];
        if (node.Reason is { } reason)
            properties.Add(("waits for", reason));
        properties.Add(("addresses", Words.List(node.Addresses)));
        properties.Add(("networks behind it", Words.List(node.ChildPrefixes)));
        if (node.WaitingPrefixes.Count > 0)
            properties.Add(("waiting networks", Words.List(node.WaitingPrefixes)));
        properties.Add(("WireGuard key", node.WireGuardKey));
        properties.Add(("fixed endpoint", Words.OrNone(node.FixedEndpoint)));
        properties.Add(("tags", Words.List(node.Tags)));
        properties.Add(("ephemeral", Words.YesNo(node.Ephemeral)));
        properties.Add(("last seen", Seen(node, now)));
        if (node.DuplicatesFrom.Count > 0)
        {
            properties.Add((
                "in use twice",
                $"from {string.Join(" and ", node.DuplicatesFrom)}: two machines use its keys at the same time. End Kedge on one of them, or remove the node."));
        }
        properties.Add(("certificate ends", Words.When(node.CertificateExpiresAt, now, Words.None)));
        properties.Add(("joined by token", Words.OrNone(node.Token)));
        properties.Add(("created", Words.Time(node.CreatedAt)));
        return TextTable.FormatProperties(properties);
    }

    private static bool IsWireGuard(RegisteredNode node) => node.Kind == "wireguard";

    // An active node may still wait, for prefixes.
    private static string Status(RegisteredNode node) =>
        node.Status == "active" && node.WaitingPrefixes.Count > 0 ? "active, waits" : node.Status;

    private static string Seen(RegisteredNode node, DateTimeOffset now) =>
        IsWireGuard(node) ? Words.None
        : node.DuplicatesFrom.Count > 0 ? "online, twice"
        : node.Online ? "online" : Words.When(node.LastSeenAt, now, "never");
}
