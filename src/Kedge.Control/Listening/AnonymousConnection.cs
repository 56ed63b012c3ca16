using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Kedge.Control.Listening;

/// <summary>
/// A connection on which no request has authenticated yet; it is among the connection's features. It must send a ClientHello soon and may
/// stay only briefly. Once a request authenticates, it may stay open for good. Any thread.
/// </summary>
internal sealed class AnonymousConnection : IDisposable
{
    /// <summary>How long a connection may take to send its ClientHello.</summary>
    public static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(10);

    /// <summary>How long a connection may stay open before it is asked to close.</summary>
    public static readonly TimeSpan LongestStay = TimeSpan.FromSeconds(60);

    /// <summary>How long requests in flight then have to finish.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(15);

    private readonly AnonymousConnections _all;
    private readonly ConnectionContext _connection;
    private readonly TimeProvider _clock;
    private readonly long _since;
    private long _knownSince; // when its source was last reported as known
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

    /// <summary>The source it is counted under.</summary>
    public IpAddress Source { get; }

    /// <summary>Whether the source was known when the connection was accepted.</summary>
    public bool IsKnown { get; }

    /// <summary>Records that the ClientHello has arrived.</summary>
    public void NoteClientHello() => _hasSpoken = true;

    /// <summary>Records that a request on the connection has authenticated: it no longer counts as anonymous, and its source becomes known.</summary>
    public void NoteAuthenticated()
    {
        Interlocked.Exchange(ref _knownSince, _clock.GetTimestamp());
        _all.NoteKnown(Source);
        if (_isAuthenticated)
            return;
        _isAuthenticated = true;
        _all.Remove(this);
    }

    /// <summary>Closes the connection at once.</summary>
    public void Abort(string reason) => _connection.Abort(new ConnectionAbortedException(reason));

    /// <summary>Closes the connection if its time is up. Called about once a second.</summary>
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

    /// <summary>Frees its place.</summary>
    public void Dispose() => _all.Remove(this);
}
