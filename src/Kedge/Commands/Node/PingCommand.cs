using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Kedge.Protocol;
using Kedge.Protocol.Ip;

namespace Kedge.Commands.Node;

/// <summary><c>kedge ping NODE</c>: pings a node of the zone by its name, through the tunnel, with the machine's ping(8).</summary>
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
        try
        {
            using Process process = Process.Start(line[0], line[1..]);
            process.WaitForExit();
            return process.ExitCode == 0 ? 0 : 1;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new UserError($"{line[0]} cannot be started: {e.Message}. It is in Debian's package {(line[0] == "ip" ? "iproute2" : "iputils-ping")}.", e);
        }
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
