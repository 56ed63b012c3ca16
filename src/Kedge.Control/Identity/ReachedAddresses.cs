using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;

namespace Kedge.Control.Identity;

/// <summary>
/// Where the controller and the nodes are reached outside of the tunnels.
/// <para>
/// A prefix behind a node must not cover where the controller is, nor what an administrator has named as another node's endpoint, and the
/// other way round: the way there would lead through the tunnel itself. What nodes say of themselves stands in nobody's way, since anybody
/// could keep others from their prefixes by it. It need not: a Kedge node's own datagrams bear a mark and go past the overlay's routes. Only
/// a stock WireGuard peer has no such mark, so its file has no such endpoint (<see cref="WireGuardConfiguration"/>).
/// </para>
/// Any thread.
/// </summary>
/// <param name="controller">The controller's addresses.</param>
internal sealed class ReachedAddresses(IReadOnlyCollection<IpAddress> controller)
{
    /// <summary>Where nodes say they are reached: who keeps it sets this, and <see cref="Reported"/>.</summary>
    public Func<Guid, IEnumerable<(Guid Node, NodeEndpoint Endpoint)>> PeersOf { get; set; } = _ => [];

    /// <summary>Called when a node has said where it is reached: zone, node, endpoints.</summary>
    public Action<Guid, Guid, IReadOnlyList<NodeEndpoint>> Reported { get; set; } = (_, _, _) => { };

    /// <summary>A node has said where it is reached.</summary>
    public void Report(Guid zone, Guid node, IReadOnlyList<NodeEndpoint> endpoints) => Reported(zone, node, endpoints);

    /// <summary>All addresses that a node's prefixes must not cover, and what each is.</summary>
    /// <param name="store">The store.</param>
    /// <param name="zone">The zone.</param>
    /// <param name="except">The node itself: the network that it is in may be behind it.</param>
    public IEnumerable<(IpAddress Address, string What)> Of(StoreReader store, Guid zone, Guid except)
    {
        foreach (IpAddress address in controller)
            yield return (address, "where the controller is reached");
        foreach ((string endpoint, string name) in store.List(
            $"SELECT fixed_endpoint, name FROM node WHERE zone = {zone} AND id <> {except} AND fixed_endpoint IS NOT NULL AND status IN ('pending', 'active')",
            row => (row.Text(0), row.Text(1))))
        {
            yield return (Endpoint.Parse(endpoint).Address, $"where node {name} is reached");
        }
    }

    /// <summary>Where the nodes of a zone say they are reached from elsewhere, best first.</summary>
    public ILookup<Guid, string> EndpointsOf(Guid zone) =>
        PeersOf(zone).Where(one => one.Endpoint.Kind != "local").ToLookup(one => one.Node, one => one.Endpoint.Address);
}
