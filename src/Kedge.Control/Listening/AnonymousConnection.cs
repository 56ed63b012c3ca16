using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Kedge.Control.Listening;

/// <summary>
/// A connection on which nobody has authenticated yet, and a feature of it. It must say something soon, and has little time in all; once a
/// request on it authenticates, it may stay as long as it likes. Any thread.
/// </summary>
internal sealed class AnonymousConnection : IDisposable
{
    /// <summary>How long a connection may take until its ClientHello is there.</summary>
    public static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(10);

    /// <summary>How long a connection may stay in all before it is asked to end.</summary>
    public static readonly TimeSpan LongestStay = TimeSpan.FromSeconds(60);

    /// <summary>How long requests that are under way then have to finish.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(15);

    private readonly AnonymousConnections _all;
    private readonly ConnectionContext _connection;
    private readonly TimeProvider _clock;
    private readonly long _since;
    private long _knownSince; // when its source was last noted as known
    private volatile bool _isAuthenticated;
    private volatile bool _hasSpoken;
    private volatile bool _isAskedToEnd;

    internal AnonymousConnection(AnonymousConnections all, ConnectionContext connection, IpAddress source, bool isKnown, TimeProvider clock)
    {
        (_all, _connection, Source, IsKnown, _clock) = (all, connection, source, isKnown, clock);
        _since = clock.GetTimestamp();
        connection.Features.Set(this);
        connection.Features.Get<IConnectionHeartbeatFeature>()?.OnHeartbeat(state => ((AnonymousConnection)state).CheckTime(), this);
    }

    /// <summary>The source that it counts for.</summary>
    public IpAddress Source { get; }

    /// <summary>Whether somebody at the source had authenticated lately when it began.</summary>
    public bool IsKnown { get; }

    /// <summary>Notes that the ClientHello is there.</summary>
    public void NoteClientHello() => _hasSpoken = true;

    /// <summary>Notes that a request on the connection has authenticated: it is no longer anonymous, and its source is known.</summary>
    public void NoteAuthenticated()
    {
        Interlocked.Exchange(ref _knownSince, _clock.GetTimestamp());
        _all.NoteKnown(Source);
        if (_isAuthenticated)
            return;
        _isAuthenticated = true;
        _all.Remove(this);
    }

    /// <summary>Ends the connection at once.</summary>
    public void Abort(string reason) => _connection.Abort(new ConnectionAbortedException(reason));

    /// <summary>Ends the connection if its time is over; called about once a second.</summary>
    public void CheckTime()
    {
        if (_isAuthenticated)
        {
            // A map stream is one request that lasts for days.
            if (_clock.GetElapsedTime(Interlocked.Read(ref _knownSince)) >= KnownSources.Lifetime / 2)
                NoteAuthenticated();
            return;
        }
        TimeSpan age = _clock.GetElapsedTime(_since);
        if (!_hasSpoken && age >= LongestSilence)
        {
            Abort("Nothing was said.");
        }
        else if (age >= LongestStay + Grace)
        {
            Abort("Nobody has authenticated.");
        }
        else if (age >= LongestStay && !_isAskedToEnd)
        {
            _isAskedToEnd = true;
            _connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
        }
    }

    /// <summary>Gives its place back.</summary>
    public void Dispose() => _all.Remove(this);
}
