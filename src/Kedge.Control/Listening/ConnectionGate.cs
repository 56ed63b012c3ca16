using System.IO.Pipelines;
using System.Net;
using Kedge.Control.Scheduling;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Kedge.Control.Listening;

/// <summary>
/// Every connection passes through here before its TLS handshake. A load balancer's header, if there is one, tells its real source; the
/// connection takes a place among the anonymous ones; and once its whole ClientHello has arrived, it is charged to its source's budget and
/// waits for a turn. A connection that sends nothing, or something other than TLS, costs no turn and delays nobody. Any thread.
/// </summary>
internal sealed class ConnectionGate : IDisposable
{
    /// <summary>
    /// Handshakes of one source: a stranger may use half of all turns, a known source all of them, as a whole site may return from behind one
    /// address.
    /// </summary>
    private static readonly StrangerLimits Limits = new(HandshakeTurns.DefaultPerSecond / 2, Burst: 200)
    {
        KnownPerSecond = HandshakeTurns.DefaultPerSecond,
        KnownBurst = 400,
    };

    private readonly TimeProvider _clock;
    private readonly ProxyReader _proxies;
    private readonly StrangerBudget _handshakes;
    private readonly AnonymousConnections _anonymous;
    private readonly HandshakeTurns _turns;
    private long _overBudget;

    /// <summary>Creates a gate.</summary>
    /// <param name="proxies">Reads the headers of load balancers.</param>
    /// <param name="known">The known sources, which authenticated requests are added to.</param>
    /// <param name="clock">The clock.</param>
    public ConnectionGate(ProxyReader proxies, KnownSources known, TimeProvider clock)
    {
        (_proxies, _clock) = (proxies, clock);
        _handshakes = new StrangerBudget(Limits, known);
        _anonymous = new AnonymousConnections(known, clock);
        _turns = new HandshakeTurns(clock);
    }

    /// <summary>How many connections have been let into their TLS handshake.</summary>
    public long Entered => _turns.Entered;

    /// <summary>How many connections sent a ClientHello and were closed without a handshake.</summary>
    public long SentAway => _turns.SentAway + Interlocked.Read(ref _overBudget);

    /// <summary>How many open connections are anonymous.</summary>
    public int Anonymous => _anonymous.Count;

    /// <summary>Places the gate in front of everything added to the listener later.</summary>
    public void Guard(ListenOptions listen) => listen.Use(next => connection => PassAsync(connection, next));

    /// <summary>Handles one connection until it ends.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="next">The TLS handshake and everything after it.</param>
    public async Task PassAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        if (!await _proxies.ReadAsync(connection))
        {
            connection.Abort(new ConnectionAbortedException("The proxy sent no PROXY protocol header."));
            return;
        }
        IpAddress address = AddressOf(connection);
        using AnonymousConnection anonymous = _anonymous.Add(connection, address);
        if (!await ReceiveClientHelloAsync(connection))
        {
            anonymous.Abort("There is no ClientHello.");
            return;
        }
        anonymous.NoteClientHello();
        if (await TakeTurnAsync(connection, address))
            await next(connection);
        else
            anonymous.Abort("There are more handshakes than can be carried out in time.");
    }

    /// <inheritdoc/>
    public void Dispose() => _turns.Dispose();

    /// <summary>The address of a connection's source; none if it has no IP endpoint.</summary>
    internal static IpAddress AddressOf(ConnectionContext connection) => connection.RemoteEndPoint is IPEndPoint remote
        ? IpAddress.FromBytes(remote.Address.GetAddressBytes()).Unmapped()
        : default;

    private async ValueTask<bool> TakeTurnAsync(ConnectionContext connection, IpAddress address)
    {
        Protocol.Instant now = _clock.Now();
        if (_handshakes.TrySpend(now, address))
            return await _turns.EnterAsync(address, _handshakes.Known.Contains(now, address), connection.ConnectionClosed);
        Interlocked.Increment(ref _overBudget);
        return false;
    }

    /// <summary>Waits until the record with the ClientHello has arrived, and leaves it to be read.</summary>
    private static async ValueTask<bool> ReceiveClientHelloAsync(ConnectionContext connection)
    {
        PipeReader input = connection.Transport.Input;
        try
        {
            while (true)
            {
                ReadResult read = await input.ReadAsync(connection.ConnectionClosed);
                bool? isComplete = ClientHelloRecord.IsComplete(read.Buffer);
                // Bytes marked as examined are not returned again until more have arrived.
                input.AdvanceTo(read.Buffer.Start, isComplete is null ? read.Buffer.End : read.Buffer.Start);
                if (isComplete is not null || read.IsCompleted || read.IsCanceled)
                    return isComplete == true;
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ConnectionAbortedException)
        {
            return false;
        }
    }
}
