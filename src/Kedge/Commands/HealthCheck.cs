using System.Globalization;
using Kedge.Commands.Node;
using Kedge.Linux.Netlink;
using Kedge.Node.ControlLink;
using Kedge.Node.Uapi;
using Kedge.Protocol;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Commands;

/// <summary>
/// Decides whether an interface is healthy. An interface of a zone is, while its processes run and its certificate is valid: idle peers do
/// not count. Any other is, while it has its UDP port, a recent handshake with each peer, and a recent key from each peer it exchanges keys
/// with.
/// </summary>
/// <param name="place">Where the interface's files are.</param>
/// <param name="maximumAge">The age up to which a handshake or a key exchange counts as recent.</param>
internal sealed class HealthCheck(NodePlace place, TimeSpan maximumAge)
{
    /// <summary>The default maximum age: sessions and exchanged keys end at this age.</summary>
    public static readonly TimeSpan DefaultMaximumAge = Timing.Default.RejectAfterTime;

    private readonly List<HealthProblem> _problems = [];

    /// <summary>Checks the interface.</summary>
    /// <exception cref="UserError">There is no such interface.</exception>
    public HealthReport Run()
    {
        CheckLink();
        using NodeView? view = NodeView.Read(place);
        if (view is null)
            CheckPeers();
        else
            CheckNode(view);
        return new HealthReport(place.Interface, maximumAge, _problems);
    }

    // An interface in another network namespace is not found, and not checked here.
    private void CheckLink()
    {
        using RouteSocket kernel = RouteSocket.Open();
        if (kernel.FindLink(place.Interface) is { IsUp: false })
            _problems.Add(new(null, $"The interface is down. 'ip link set {place.Interface} up' sets it up."));
    }

    private void CheckNode(NodeView view)
    {
        if (view.Membership.Status != Membership.Active)
            _problems.Add(new(null, $"The node is {view.Membership.Status}, not {Membership.Active}, in its zone."));
        foreach (string problem in view.Problems())
            _problems.Add(new(null, problem));
    }

    private void CheckPeers()
    {
        IReadOnlyDictionary<PublicKey, DateTimeOffset?> handshakes = LastHandshakes();
        KeyExchangeAges exchanges = KeyExchangeAges.Read(place);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        foreach ((PublicKey peer, DateTimeOffset? last) in handshakes)
            CheckAge(peer, "handshake", now - last);
        foreach (PublicKey peer in exchanges.Peers)
            CheckAge(peer, "post-quantum key exchange", exchanges.Of(peer));
    }

    private void CheckAge(PublicKey peer, string what, TimeSpan? age)
    {
        if (age is null)
            _problems.Add(new(peer, $"There was no {what} yet."));
        else if (age > maximumAge)
            _problems.Add(new(peer, $"The last {what} was {Seconds(age.Value)} s ago, more than {Seconds(maximumAge)} s."));
    }

    /// <summary>The last handshake with each peer, by Kedge's own socket, or by <c>wg</c> where another program runs the interface.</summary>
    private IReadOnlyDictionary<PublicKey, DateTimeOffset?> LastHandshakes()
    {
        try
        {
            using DeviceStatus status = UapiClient.GetStatus(place.RuntimeDirectory, place.Interface);
            if (status.PortProblem is { } problem)
                _problems.Add(new(null, $"{problem}."));
            return status.Peers.ToDictionary(peer => peer.PublicKey, peer => peer.LastHandshake);
        }
        catch (UserError)
        {
            if (WgTool.TryShowHandshakes(place.Interface) is { } handshakes)
                return handshakes;
            throw;
        }
    }

    private static string Seconds(TimeSpan age) => ((long)age.TotalSeconds).ToString(CultureInfo.InvariantCulture);
}
