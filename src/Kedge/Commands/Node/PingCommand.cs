using System.CommandLine;
using System.Globalization;
using Kedge.Node.ControlLink;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Commands.Node;

/// <summary>
/// <c>kedge ping NODE</c>: pings a node of the zone by its name, through the tunnel, with the machine's ping(8), and says of each answer by
/// which path the node was reached then.
/// </summary>
internal sealed class PingCommand : Command
{
    private readonly Argument<string> _node = new("NODE") { Description = "The node's name, or one of its addresses." };
    private readonly Option<string> _interface = InterfaceOption.Create();
    private readonly Option<bool> _ipv6 = new("-6") { Description = "Ping its IPv6 address, though it has an IPv4 address." };
    private readonly Option<int> _count = new("--count", "-c") { Description = "How many packets.", DefaultValueFactory = _ => 4, HelpName = "N" };
    private readonly NodePlaces _places = new();

    public PingCommand()
        : base("ping", "Ping a node of the zone by its name.")
    {
        Arguments.Add(_node);
        Options.Add(_interface);
        Options.Add(_ipv6);
        Options.Add(_count);
        _places.AddTo(this);
        _count.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > 1_000_000)
                result.AddError("--count must be a number from 1 to 1000000.");
        });
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        NodePlace place = _places.Of(call, call.GetRequiredValue(_interface));
        using NodeView view = NodeView.Read(place) ?? throw new UserError(
            $"{place.Interface} has not joined a zone. 'kedge status' shows the interfaces that have; name one with --interface.");
        string address = FindAddress(view, call.GetRequiredValue(_node), call.GetValue(_ipv6));
        string count = call.GetValue(_count).ToString(CultureInfo.InvariantCulture);
        string[] ping = ["ping", "-c", count, address];
        string[] line = view.Membership.Settings.NetworkNamespace is { } name ? ["ip", "netns", "exec", name, .. ping] : ping;
        // A node has no path to itself.
        LinkPeer? peer = view.Peers.FirstOrDefault(peer => peer.Addresses.Contains(address));
        var run = new PingRun(() => peer is null ? null : FindPath(place, peer));
        int exitCode = run.Run(line);
        if (!run.IsAnswered && peer is not null)
            TellWhere(place, peer);
        return exitCode == 0 ? 0 : 1;
    }

    /// <summary>How a peer is reached now; null where the node process does not tell.</summary>
    private static string? FindPath(NodePlace place, LinkPeer peer)
    {
        using DeviceStatus? device = NodeView.TryGetDevice(place);
        if (device?.Find(peer.PublicKey) is not { } seen)
            return null;
        string endpoint = seen.Endpoint.IsNone ? "no endpoint," : seen.Endpoint.ToString();
        return $"{endpoint} {PathExplanation.StateOf(seen, DateTimeOffset.UtcNow)}";
    }

    /// <summary>Says where the reasons are why nothing was answered, if there is no path.</summary>
    private static void TellWhere(NodePlace place, LinkPeer peer)
    {
        using DeviceStatus? device = NodeView.TryGetDevice(place);
        if (PathExplanation.IsNeeded(device?.Find(peer.PublicKey)))
            Console.Error.WriteLine($"There is no path to {peer.Name} yet. 'kedge status {place.Interface}' tells what was tried.");
    }

    private static string FindAddress(NodeView view, string node, bool ipv6)
    {
        IEnumerable<(string Name, IReadOnlyList<string> Addresses)> nodes =
            view.Peers.Select(peer => (peer.Name, peer.Addresses)).Append((view.Membership.Name, view.Membership.Addresses));
        (string Name, IReadOnlyList<string> Addresses)[] found =
        [
            .. nodes.Where(one => one.Name.Equals(node, StringComparison.OrdinalIgnoreCase) || one.Addresses.Contains(Canonical(node))),
        ];
        if (found.Length == 0)
        {
            throw new UserError(
                $"There is no node '{node}' in zone {view.Membership.ZoneName} that this one may talk to. 'kedge status {view.Place.Interface}' lists its peers, and those that are refused.");
        }
        if (IpAddress.TryParse(node, out _))
            return Canonical(node);
        IReadOnlyList<string> addresses = found[0].Addresses;
        return addresses.FirstOrDefault(address => address.Contains(':', StringComparison.Ordinal) == ipv6)
            ?? (!ipv6 && addresses is [var other, ..] ? other : null)
            ?? throw new UserError($"Node '{node}' has no IPv6 address, only {string.Join(", ", addresses)}.");
    }

    private static string Canonical(string text) => IpAddress.TryParse(text, out IpAddress address) ? address.ToString() : text;
}
