using System.IO.Pipelines;
using System.Net;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Kedge.Control.Listening;

/// <summary>
/// What a connection passes before its TLS handshake. A proxy's header says where it really comes from; it takes a place among anonymous
/// connections; and only when its whole ClientHello is there does it cost anything worth counting: a piece of its source's budget, and a turn.
/// A connection that says nothing, or no TLS, gets no further and delays nobody. Any thread.
/// </summary>
internal sealed class ConnectionGate : IDisposable
{
    /// <summary>
    /// Handshakes of one source: half of all turns for one that is not known, and all of them for one that is, as a whole site may come back
    /// from behind one address.
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

    /// <summary>A gate that nobody has passed yet.</summary>
    /// <param name="proxies">Reads what proxies say.</param>
    /// <param name="known">The sources from which somebody has authenticated lately.</param>
    /// <param name="clock">The clock.</param>
    public ConnectionGate(ProxyReader proxies, KnownSources known, TimeProvider clock)
    {
        (_proxies, _clock) = (proxies, clock);
        _handshakes = new StrangerBudget(Limits, known);
        _anonymous = new AnonymousConnections(known, clock);
        _turns = new HandshakeTurns(clock);
    }

    /// <summary>How many connections were let into their TLS handshake so far.</summary>
    public long Entered => _turns.Entered;

    /// <summary>How many were sent away so far though they wanted a TLS handshake.</summary>
    public long SentAway => _turns.SentAway + Interlocked.Read(ref _overBudget);

    /// <summary>How many connections are open on which nobody has authenticated.</summary>
    public int Anonymous => _anonymous.Count;

    /// <summary>Puts the gate before everything that is added to a listener after it.</summary>
    public void Guard(ListenOptions listen) => listen.Use(next => connection => PassAsync(connection, next));

    /// <summary>Takes a connection as far as it gets.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="next">The TLS handshake, and what comes after it.</param>
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

    /// <summary>Where a connection comes from; no address where it has no IP endpoint.</summary>
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

    /// <summary>Waits for the record with the ClientHello, which stays to be read.</summary>
    private static async ValueTask<bool> ReceiveClientHelloAsync(ConnectionContext connection)
    {
        PipeReader input = connection.Transport.Input;
        try
        {
            while (true)
            {
                ReadResult read = await input.ReadAsync(connection.ConnectionClosed);
                bool? isComplete = ClientHelloRecord.IsComplete(read.Buffer);
                // What counts as examined is not handed out again until there is more.
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
