using Kedge.Linux;
using Kedge.Linux.Quic;
using Kedge.Protocol;
using Kedge.Protocol.Warp;

namespace Kedge.Warp.Listening;

/// <summary>Callers: each gets a stream to the connector, which connects to the target.</summary>
public sealed partial class WarpListener
{
    /// <inheritdoc/>
    public void OnReceived(QuicStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (stream.Tag is Call call)
            ReceiveOutcome(call, stream);
        else if (SessionOf(stream.Connection) is { } session && session.Registration == stream && stream.Connection.IsConnected)
            ReceiveRegistration(session, stream);
    }

    /// <inheritdoc/>
    public void OnStreamEnded(QuicStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (stream.Tag is not Call call)
            return;
        call.Session.Calls--;
        call.Port.Calls.Remove(stream);
        call.Port.BytesIn += stream.BytesOut;
        call.Port.BytesOut += stream.BytesIn;
    }

    /// <inheritdoc/>
    public void OnStreamsAllowed(QuicConnection connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (SessionOf(connection) is not { } session)
            return;
        while (session.Waiting.TryPeek(out (PublishedPort Port, TcpConnection Caller) waiting) && TryCall(session, waiting.Port, waiting.Caller))
            session.Waiting.Dequeue();
    }

    private void Accept(PublishedPort port, TcpConnection caller)
    {
        port.Connections++;
        if (!_sessions.TryGetValue(port.Port.Uid, out Session? session))
        {
            // At once, so that the caller does not wait for what cannot come.
            port.Failures++;
            caller.Reset();
            return;
        }
        if (session.Waiting.Count == 0 && TryCall(session, port, caller))
            return;
        if (session.Waiting.Count < MostWaitingCallers)
        {
            session.Waiting.Enqueue((port, caller));
            return;
        }
        port.Failures++;
        caller.Reset();
    }

    /// <summary>Begins a call; false if the connector allows no more streams now.</summary>
    private static bool TryCall(Session session, PublishedPort port, TcpConnection caller)
    {
        if (session.Connection.OpenStream() is not { } stream)
            return false;
        var call = new Call(port, session);
        stream.Tag = call;
        session.Calls++;
        port.Calls.Add(stream);
        if (session.Connection.Protocol == WarpProtocol.Legacy)
        {
            call.IsConnected = true; // it tells nothing: a target that it does not reach is a reset
            stream.Write(LegacyCallHeader.Write($"{stream.Id}", port.Port.Target));
            stream.Join(caller);
            return true;
        }
        stream.Write(CallHeader.Write(port.Port.Target, caller.Remote));
        stream.Attach(caller);
        return true;
    }

    private void ReceiveOutcome(Call call, QuicStream stream)
    {
        if (call.IsConnected || (stream.Received.IsEmpty && !stream.HasPeerEnded && stream.ResetByPeer is null))
            return;
        CallOutcome outcome = stream.Received.IsEmpty ? CallOutcome.Failed : (CallOutcome)stream.Received[0];
        if (outcome == CallOutcome.Connected)
        {
            call.IsConnected = true;
            stream.Consume(1);
            stream.Deliver();
            return;
        }
        if (TokenBucket.TryTake(ref _loggedRefusals, BootClock.Now, LogRate))
            Log.CallRefused(_log, call.Session.Uid, call.Port.Port.Target, Describe(outcome));
        call.Port.Failures++;
        stream.Abort(QuicStream.Reset);
    }

    private static string Describe(CallOutcome outcome) => outcome switch
    {
        CallOutcome.NotAllowed => "the connector does not allow this target",
        CallOutcome.NameUnknown => "its name has no address there",
        CallOutcome.Refused => "nobody listens there",
        CallOutcome.Unreachable => "there is no route",
        CallOutcome.TimedOut => "it does not answer",
        _ => "the connector cannot connect",
    };
}
