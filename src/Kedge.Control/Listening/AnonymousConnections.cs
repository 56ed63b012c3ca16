using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Microsoft.AspNetCore.Connections;

namespace Kedge.Control.Listening;

/// <summary>
/// The connections on which nobody has authenticated yet, of which there is a bounded number in all and for each source; half of the places
/// are kept for sources from which somebody has authenticated lately. When there is no place left, a connection ends that is chosen at random
/// among those of the same source, or of the source that has the most: a newcomer from elsewhere always finds a place. Any thread.
/// </summary>
internal sealed class AnonymousConnections(KnownSources known, TimeProvider clock, Random? random = null)
{
    /// <summary>The most connections of one source: an IPv4 address or an IPv6 /64.</summary>
    public const int MostOfSource = 256;

    /// <summary>The most connections of all sources that are not known, and as many again of those that are.</summary>
    public const int MostOfKind = 2048;

    private readonly Random _random = random ?? Random.Shared;
    private readonly Lock _lock = new();
    private readonly SourceGroups<AnonymousConnection> _strangers = new();
    private readonly SourceGroups<AnonymousConnection> _acquaintances = new();

    /// <summary>How many there are.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _strangers.Count + _acquaintances.Count;
        }
    }

    /// <summary>Takes a place for a connection, which it may lose again at any time.</summary>
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
            SourceGroups<AnonymousConnection> places = PlacesOf(added);
            places.Add(source, added);
            if (places.CountOf(source) > MostOfSource)
                evicted = places.TakeAtRandom(source, _random);
            else if (places.Count > MostOfKind)
                evicted = places.TakeOfLargest(_random);
        }
        evicted?.Abort("There are too many connections on which nobody has authenticated.");
        return added;
    }

    /// <summary>Notes that somebody at a source has authenticated.</summary>
    internal void NoteKnown(IpAddress source) => known.Add(clock.Now(), source);

    /// <summary>Gives the place of a connection back, if it still has one.</summary>
    internal void Remove(AnonymousConnection connection)
    {
        lock (_lock)
            PlacesOf(connection).Remove(connection.Source, connection);
    }

    private SourceGroups<AnonymousConnection> PlacesOf(AnonymousConnection connection) => connection.IsKnown ? _acquaintances : _strangers;
}
