using Kedge.Control.Scheduling;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Microsoft.AspNetCore.Connections;

namespace Kedge.Control.Listening;

/// <summary>
/// The connections on which no request has authenticated yet. Their number is bounded, in all and for each source, and half of the places
/// are kept for known sources. When there is no place left, one connection is closed, chosen at random from the same source if that is full,
/// and from the source with the most connections otherwise: a newcomer from elsewhere always finds a place. Any thread.
/// </summary>
internal sealed class AnonymousConnections(KnownSources known, TimeProvider clock, Random? random = null)
{
    /// <summary>The most connections from one source: an IPv4 address or an IPv6 /64.</summary>
    public const int MostOfSource = 256;

    /// <summary>The most connections from all strangers together, and also the most from all known sources together.</summary>
    public const int MostOfKind = 2048;

    private readonly Random _random = random ?? Random.Shared;
    private readonly Lock _lock = new();
    private readonly RoundRobin<IpAddress, AnonymousConnection> _strangers = new();
    private readonly RoundRobin<IpAddress, AnonymousConnection> _acquaintances = new();

    /// <summary>How many connections there are.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _strangers.Count + _acquaintances.Count;
        }
    }

    /// <summary>Adds a connection. It may be closed to make room at any time, even at once.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="address">Where it comes from.</param>
    /// <returns>The connection, to be disposed when it ends.</returns>
    public AnonymousConnection Add(ConnectionContext connection, IpAddress address)
    {
        IpAddress source = SourcePrefix.Of(address);
        var added = new AnonymousConnection(this, connection, source, known.Contains(clock.Now(), source), clock);
        AnonymousConnection? evicted = null;
        lock (_lock)
        {
            RoundRobin<IpAddress, AnonymousConnection> places = PlacesOf(added);
            places.Add(source, added);
            if (places.CountOf(source) > MostOfSource)
                evicted = places.TakeAtRandom(source, _random);
            else if (places.Count > MostOfKind)
                evicted = places.TakeOfLargest(_random);
        }
        evicted?.Abort("There are too many connections on which nobody has authenticated.");
        return added;
    }

    /// <summary>Records that a client at a source has authenticated.</summary>
    internal void NoteKnown(IpAddress source) => known.Add(clock.Now(), source);

    /// <summary>Frees the place of a connection, if it still has one.</summary>
    internal void Remove(AnonymousConnection connection)
    {
        lock (_lock)
            PlacesOf(connection).Remove(connection.Source, connection);
    }

    private RoundRobin<IpAddress, AnonymousConnection> PlacesOf(AnonymousConnection connection) => connection.IsKnown ? _acquaintances : _strangers;
}
