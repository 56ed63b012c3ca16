using Kedge.Linux;
using Kedge.Linux.Quic;
using Kedge.Protocol;
using Kedge.Protocol.Warp;

namespace Kedge.Warp.Listening;

/// <summary>Connectors: who is let in, and which of two that have one uid.</summary>
public sealed partial class WarpListener
{
    // What anybody can make happen is logged so often.
    private static readonly Rate LogRate = new(20, TimeSpan.FromSeconds(3));

    private TokenBucket _loggedRefusals;

    /// <inheritdoc/>
    public bool Verify(QuicConnection connection, IReadOnlyList<byte[]> certificates)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (_identity.Trust.CheckConnector(certificates, _clock.GetUtcNow(), out string uid) is { } refusal)
        {
            if (TokenBucket.TryTake(ref _loggedRefusals, BootClock.Now, LogRate))
                Log.ConnectorRefused(_log, connection.Remote, refusal);
            return false;
        }
        connection.Tag = new Peer(uid, certificates);
        return true;
    }

    /// <inheritdoc/>
    public void OnConnected(QuicConnection connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (connection.Tag is not Peer peer)
        {
            connection.Close((ulong)WarpRefusal.CertificateRefused, "no certificate");
            return;
        }
        var session = new Session(connection, peer.Uid);
        peer.Session = session;
        if (connection.Protocol == WarpProtocol.Legacy)
        {
            Admit(session);
            return;
        }
        _loop.After(RegistrationTime, () =>
        {
            if (!session.IsAdmitted && !session.IsWaiting)
                connection.Close((ulong)WarpRefusal.NoHello, "no registration came");
        });
    }

    /// <inheritdoc/>
    public void OnStream(QuicStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        // The first stream registers the connector; nothing else is asked of a listener.
        if (SessionOf(stream.Connection) is { Registration: null } session && stream.Connection.Protocol == WarpProtocol.Current)
            session.Registration = stream;
        else
            stream.Abort((ulong)WarpRefusal.NoHello);
    }

    /// <inheritdoc/>
    public void OnClosed(QuicConnection connection, QuicEnd end)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (SessionOf(connection) is { } session)
            Leave(session, Describe(end));
    }

    private static Session? SessionOf(QuicConnection connection) => (connection.Tag as Peer)?.Session;

    private void ReceiveRegistration(Session session, QuicStream stream)
    {
        WarpParse parse = WarpFrame.Parse(stream.Received, out WarpFrame frame);
        if (parse == WarpParse.Incomplete && !stream.HasPeerEnded)
            return;
        if (session.IsAdmitted || session.IsWaiting)
        {
            stream.Consume(stream.Received.Length); // nothing else is said yet
            return;
        }
        if (parse != WarpParse.Complete || frame.Kind != WarpFrameKind.Hello)
        {
            Refuse(session, WarpRefusal.NoHello, "its first frame is no registration");
            return;
        }
        stream.Consume(frame.Length);
        if (frame.Text != session.Uid)
            Refuse(session, WarpRefusal.UidNotCertified, $"its certificate is for the uid '{session.Uid}', not '{frame.Text}'");
        else
            Admit(session);
    }

    /// <summary>Lets a connector in; where another one has its uid, first asks that one whether it is still there.</summary>
    private void Admit(Session session)
    {
        if (!_sessions.TryGetValue(session.Uid, out Session? earlier))
        {
            Enter(session);
            return;
        }
        session.IsWaiting = true;
        Instant asked = BootClock.Now;
        earlier.Connection.Probe();
        _loop.After(ProbeTime, () =>
        {
            session.IsWaiting = false;
            earlier.Connection.EndProbe();
            if (!session.Connection.IsConnected)
                return;
            // Meanwhile that one may have left, or a third may have come.
            if (_sessions.TryGetValue(session.Uid, out Session? present) && (present != earlier || present.Connection.LastReceived > asked))
            {
                Refuse(session, WarpRefusal.UidTaken, $"another connector has the uid '{session.Uid}', at {present.Connection.Remote}, and answers");
                return;
            }
            if (present is not null)
            {
                present.Connection.Close((ulong)WarpRefusal.Replaced, "replaced");
                Leave(present, "it does not answer, and another connection has taken its place");
            }
            Enter(session);
        });
    }

    private void Enter(Session session)
    {
        session.IsAdmitted = true;
        session.Since = _clock.GetUtcNow();
        _sessions.Add(session.Uid, session);
        session.Registration?.Write(WarpFrame.Accepted());
        Log.ConnectorArrived(_log, session.Uid, session.Connection.Remote, session.Connection.Protocol);
    }

    private void Refuse(Session session, WarpRefusal refusal, string reason)
    {
        string clean = PrintableText.Clean(reason);
        Log.ConnectorRefused(_log, session.Connection.Remote, clean);
        // socket-warp's connector knows no codes.
        session.Connection.Close(session.Connection.Protocol == WarpProtocol.Legacy ? 0 : (ulong)refusal, Ascii(reason));
        Leave(session, reason);
    }

    private void Leave(Session session, string reason)
    {
        while (session.Waiting.TryDequeue(out (PublishedPort Port, TcpConnection Caller) waiting))
        {
            waiting.Caller.Reset();
            waiting.Port.Failures++;
        }
        if (_sessions.TryGetValue(session.Uid, out Session? present) && present == session)
        {
            _sessions.Remove(session.Uid);
            string clean = PrintableText.Clean(reason);
            Log.ConnectorLeft(_log, session.Uid, clean);
        }
    }

    private static string Ascii(string text) => string.Concat(text.Select(c => char.IsBetween(c, ' ', '~') ? c : '?'));

    private static string Describe(QuicEnd end) => end.Kind switch
    {
        QuicEndKind.ClosedByPeer => end.Reason.Length > 0 ? end.Reason : "it has ended",
        QuicEndKind.Silent => "it does not answer any more",
        QuicEndKind.Forgotten => "it has been restarted",
        _ => $"its connection failed: {end.Reason} (code {end.Code})",
    };

    /// <summary>Whose certificate was accepted, as the tag of a connection.</summary>
    private sealed class Peer(string uid, IReadOnlyList<byte[]> certificates)
    {
        public string Uid => uid;

        public IReadOnlyList<byte[]> Certificates => certificates;

        public Session? Session { get; set; }
    }
}
