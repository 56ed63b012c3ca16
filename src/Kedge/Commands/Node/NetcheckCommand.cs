using System.CommandLine;
using System.Text;
using Kedge.Linux.Namespaces;
using Kedge.Node.ControlLink;
using Kedge.Node.Keys;
using Kedge.Node.Routing;
using Kedge.Protocol.Api;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Stun;

namespace Kedge.Commands.Node;

/// <summary>
/// <c>kedge netcheck</c>: whether the network below lets this node be part of its zone, step by step, with what to do about what does not
/// work. Before the node has joined, the same of what it will need.
/// </summary>
internal sealed class NetcheckCommand : Command
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    private readonly Option<string> _interface = InterfaceOption.Create();
    private readonly Option<bool> _json = new("--json") { Description = "Print one JSON object." };
    private readonly JoinSource _join = new();
    private readonly StunOption _stun = new();
    private readonly NodePlaces _places = new();

    public NetcheckCommand()
        : base("netcheck", "Check what a node needs of machine and network, also before it joins: controller, UDP, NAT, routes, forwarding.")
    {
        Options.Add(_interface);
        Options.Add(_json);
        _join.AddTo(this);
        _stun.AddTo(this);
        _places.AddTo(this);
        SetAction((call, _) => RunAsync(call));
    }

    private async Task<int> RunAsync(ParseResult call)
    {
        NodePlace place = _places.Of(call, call.GetRequiredValue(_interface));
        JoinLine? line = _join.Read(call);
        using NodeView? view = NodeView.Read(place);
        string[] named = _stun.Read(call);
        Task<NatChecks> asking = NatChecks.RunAsync(await FindServersAsync(named, view, line), view?.Membership.Settings.Mark.Bit ?? 0);
        List<Check> checks =
        [
            .. view is null
                ? await BeforeJoining.CheckAsync(place, line, asking)
                : await CheckAsync(view, asking, isNamed: named.Length > 0),
        ];
        NatChecks nats = await asking;
        if (named.Length > 0 && nats.CheckStun() is null)
            checks.Add(new("STUN", Ok: false, $"{string.Join(", ", named)} cannot be resolved."));
        Console.Out.Write(call.GetValue(_json) ? ToJson(checks, nats) : ToText(checks));
        return checks.TrueForAll(check => check.Ok) ? 0 : 1;
    }

    private static async Task<Check[]> CheckAsync(NodeView view, Task<NatChecks> asking, bool isNamed) =>
    [
        await CheckControllerAsync(view),
        CheckProcesses(view),
        .. CheckStun(view),
        .. isNamed && (await asking).CheckStun() is { } stun ? new[] { stun } : [],
        .. (await asking).CheckNats(IsMapped(view), view.Device?.ListenPort ?? 0),
        .. CheckPortMapping(view),
        .. CheckRelays(view),
        CheckLocal($"; UDP port {view.Device?.ListenPort ?? 0}"),
        CheckIPv6(),
        CheckConflict(view),
        .. CheckSources(view),
        .. CheckForwarding(view),
    ];

    /// <summary>The STUN servers to ask: those that the call names, or the node's, or those of the controller to be joined.</summary>
    private static async Task<IEnumerable<Endpoint>> FindServersAsync(string[] named, NodeView? view, JoinLine? line) =>
        named.Length > 0 ? await StunOption.FindAsync(named)
        : view is not null ? view.Device?.StunResults.Select(result => result.Server) ?? []
        : line is not null && StunServerName.Read(line.Host) is { } server ? await StunOption.FindAsync([server])
        : [];

    private static async Task<Check> CheckControllerAsync(NodeView view)
    {
        Membership membership = view.Membership;
        if (!membership.HasController)
            return new("controller", Ok: true, "None: nodes introduce themselves, see 'kedge knock'.");
        try
        {
            using NodeKeys keys = NodeKeys.Open(view.Place.Folder.Keys, membership.Settings.PrivateKeyFile);
            CertificateFile? certificate = CertificateFile.Read(view.Place.Folder.Certificate);
            using var client = new ControllerClient(membership.ControllerAddress, certificate?.Node.Der, certificate is null ? null : keys.Identity, TimeProvider.System);
            using var timeout = new CancellationTokenSource(Timeout);
            await client.InquireAsync(keys.Identity, timeout.Token);
            return new("controller", Ok: true, $"{membership.Controller} answers, and it is the pinned one.");
        }
        catch (ControllerException e)
        {
            string advice = e.Reason.EndsMembership() ? $" {Membership.HowToJoinAgain(view.Place.Interface)}" : "";
            return new("controller", Ok: false, e.Message + advice);
        }
        catch (OperationCanceledException)
        {
            return new("controller", Ok: false, $"{membership.Controller} did not answer within {Timeout.TotalSeconds} s. A firewall may drop TCP to it.");
        }
    }

    private static Check CheckProcesses(NodeView view) => (view.Device, view.Link) switch
    {
        (null, _) => new("processes", Ok: false, $"The node process does not run. Start it: kedge up --interface {view.Place.Interface}"),
        (_, null) => new("processes", Ok: false, $"The control link does not run. Start it: kedge up --interface {view.Place.Interface}"),
        _ => new("processes", Ok: true, "The node process and the control link run."),
    };

    private static IEnumerable<Check> CheckStun(NodeView view)
    {
        if (view.Device is not { } device)
            yield break;
        if (device.StunResults.Count == 0)
        {
            yield return new("STUN", Ok: true, view.Membership.Settings.InternalNetwork
                ? "Not used in an internal network."
                : "There is no STUN server: the others are told local addresses only.");
        }
        foreach (StunResult result in device.StunResults)
        {
            yield return result.Reflexive.IsNone
                ? new("STUN", Ok: false, $"{result.Server} has not answered. A firewall may drop UDP to it, or to port {device.ListenPort} of this machine.")
                : new("STUN", Ok: true, $"{result.Server} sees this node at {result.Reflexive}.");
        }
    }

    private static bool IsMapped(NodeView view) => view.Link?.Endpoints.Any(endpoint => endpoint.EndsWith("(mapped)", StringComparison.Ordinal)) == true;

    private static IEnumerable<Check> CheckPortMapping(NodeView view)
    {
        // Nobody needs it who is not behind a NAT, and few gateways have it switched on.
        if (view.Link is { BehindNat: true, PortMapping: { } mapping })
            yield return new("port mapping", Ok: true, $"UDP port {view.Device?.ListenPort ?? 0}: {mapping}.");
    }

    private static IEnumerable<Check> CheckRelays(NodeView view)
    {
        foreach (LinkPeer peer in view.Peers)
        {
            if (view.DevicePeer(peer) is not { MayRelay: true } relay)
                continue;
            string home = view.Device?.RelayHome == relay.PublicKey ? ", the one that this node has chosen" : "";
            yield return (relay.PathState, relay.RoundTrip) switch
            {
                (PathState.Direct, { } time) => new("relay", Ok: true, $"{peer.Name} answers within {PathExplanation.Milliseconds(time)}{home}."),
                (PathState.Direct, null) => new("relay", Ok: true, $"{peer.Name} is connected{home}."),
                (PathState.Idle or null, _) => new("relay", Ok: true, $"{peer.Name} may relay, but has not been needed."),
                _ => new("relay", Ok: false, $"{peer.Name} may relay, but is not reached. 'kedge status' says why."),
            };
        }
    }

    /// <summary>Checks that the machine has an address for others.</summary>
    /// <param name="more">What else is told of good ones.</param>
    public static Check CheckLocal(string more = "")
    {
        IReadOnlyList<IpAddress> addresses = LocalAddresses.Find();
        return addresses.Count == 0
            ? new("local addresses", Ok: false, "This machine has no address that others could reach.")
            : new("local addresses", Ok: true, $"{string.Join(", ", addresses)}{more}.");
    }

    /// <summary>Checks whether the machine has an address of the IPv6 Internet (2000::/3); none is no fault.</summary>
    public static Check CheckIPv6()
    {
        var global = IpPrefix.Parse("2000::/3");
        IpAddress[] addresses = [.. LocalAddresses.Find().Where(global.Contains)];
        return new("IPv6", Ok: true, addresses.Length == 0
            ? "This machine has no global IPv6 address: it reaches peers over IPv4 alone."
            : $"This machine has the global IPv6 {(addresses.Length == 1 ? "address" : "addresses")} {string.Join(", ", addresses)}.");
    }

    private static Check CheckConflict(NodeView view)
    {
        IEnumerable<IpPrefix> prefixes =
            from text in view.Membership.ZonePrefixes.Concat(view.Peers.SelectMany(peer => peer.Prefixes))
            let prefix = IpPrefix.TryParse(text, out IpPrefix parsed) ? parsed : default
            where !prefix.IsNone
            select prefix;
        return RoutingConflict.Find(prefixes, view.Place.Interface, Inside(view)) is { } conflict
            ? new("routes", Ok: false, conflict.ToError(view.Membership.ZoneName).Message)
            : new("routes", Ok: true, "No network of this machine overlaps with the zone.");
    }

    private static IEnumerable<Check> CheckForwarding(NodeView view)
    {
        IpPrefix[] children = [.. view.Membership.ChildPrefixes.Select(text => IpPrefix.Parse(text))];
        if (children.Length == 0)
            return [];
        IReadOnlyList<ForwardingFinding> findings = Forwarding.Check(
            view.Place.Interface, children.Any(prefix => prefix.Address.IsIPv4), children.Any(prefix => prefix.Address.IsIPv6), Inside(view));
        return findings.Count == 0
            ? [new("forwarding", Ok: true, $"{string.Join(", ", children)} can be reached by the others.")]
            : findings.Select(finding => new Check("forwarding", Ok: false, $"{finding.Problem} Allow it with: {finding.Command}"));
    }

    private static IEnumerable<Check> CheckSources(NodeView view)
    {
        if (view.Device is not { } device || view.Membership.Settings.NetworkNamespace is not null)
            return [];
        return
        [
            .. from finding in SourceValidation.Check(
                   view.Place.Interface, device.ListenPort, view.Membership.Settings.Mark, device.Peers.Select(peer => peer.Endpoint))
               select new Check("source check", Ok: false, finding.ToString()),
        ];
    }

    private static NetworkNamespace? Inside(NodeView view) =>
        view.Membership.Settings.NetworkNamespace is { } name ? Kedge.Node.Dataplane.TunInterface.FindNamespace(name) : null;

    private static string ToText(IEnumerable<Check> checks)
    {
        var text = new StringBuilder();
        StatusText.AppendTable(text, "", checks.Select(check => (string[])[check.Ok ? "ok" : "FAILED", check.Name, check.Detail]));
        return text.ToString();
    }

    private static string ToJson(List<Check> checks, NatChecks nats) => StatusJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteBoolean("ok", checks.TrueForAll(check => check.Ok));
        json.WriteStartArray("checks");
        foreach (Check check in checks)
        {
            json.WriteStartObject();
            json.WriteString("check", check.Name);
            json.WriteBoolean("ok", check.Ok);
            json.WriteString("detail", check.Detail);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        nats.Write(json);
        json.WriteEndObject();
    });

    /// <summary>One thing that was checked.</summary>
    /// <param name="Name">What it is.</param>
    /// <param name="Ok">Whether it is as it should be.</param>
    /// <param name="Detail">What was found, and what to do about it, as sentences.</param>
    internal sealed record Check(string Name, bool Ok, string Detail);
}
