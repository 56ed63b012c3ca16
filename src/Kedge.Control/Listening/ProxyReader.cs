using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using Kedge.Protocol.Ip;
using Kedge.Protocol.ProxyProtocol;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Kedge.Control.Listening;

/// <summary>
/// Finds the real source of connections that come through a TCP load balancer, which begins each of them with a PROXY protocol header. Any
/// thread.
/// </summary>
/// <param name="prefixes">The load balancers' addresses; empty for none.</param>
/// <param name="clock">The clock.</param>
/// <param name="log">Receives a warning when a load balancer sends no header, at most once a minute.</param>
internal sealed class ProxyReader(IReadOnlyList<IpPrefix> prefixes, TimeProvider clock, ILogger log)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LogInterval = TimeSpan.FromMinutes(1);

    private long _lastLogged = long.MinValue;

    /// <summary>
    /// Reads the header of a connection that comes from a load balancer, and sets the connection's remote endpoint accordingly. Nothing is read
    /// from other connections.
    /// </summary>
    /// <returns>False if the connection comes from a load balancer and does not begin with a header.</returns>
    public async ValueTask<bool> ReadAsync(ConnectionContext connection)
    {
        if (prefixes.Count == 0)
            return true;
        IpAddress proxy = ConnectionGate.AddressOf(connection);
        if (!prefixes.Any(prefix => prefix.Contains(proxy)))
            return true;
        using var patience = new CancellationTokenSource(Patience, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, connection.ConnectionClosed);
        try
        {
            return await ReadHeaderAsync(connection, proxy, either.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ConnectionAbortedException)
        {
            return false;
        }
    }

    private async ValueTask<bool> ReadHeaderAsync(ConnectionContext connection, IpAddress proxy, CancellationToken cancellation)
    {
        PipeReader input = connection.Transport.Input;
        while (true)
        {
            ReadResult read = await input.ReadAsync(cancellation);
            ProxyHeaderStatus status = Parse(read.Buffer, out ProxyHeader header);
            if (status == ProxyHeaderStatus.Complete)
            {
                input.AdvanceTo(read.Buffer.GetPosition(header.Length));
                if (!header.Source.IsNone)
                    connection.RemoteEndPoint = new IPEndPoint(header.Source.Address.ToIPAddress(), header.Source.Port);
                return true;
            }
            input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            if (status == ProxyHeaderStatus.Invalid && MayLog())
                ProxyLog.HeaderMissing(log, proxy);
            if (status == ProxyHeaderStatus.Invalid || read.IsCompleted || read.IsCanceled)
                return false;
        }
    }

    private static ProxyHeaderStatus Parse(ReadOnlySequence<byte> received, out ProxyHeader header)
    {
        if (received.IsSingleSegment)
            return ProxyHeader.Parse(received.FirstSpan, out header);
        return ProxyHeader.Parse(received.Slice(0, Math.Min(received.Length, ProxyHeader.MaximumLength)).ToArray(), out header);
    }

    private bool MayLog()
    {
        long now = clock.GetTimestamp(), last = Interlocked.Read(ref _lastLogged);
        return (last == long.MinValue || clock.GetElapsedTime(last, now) >= LogInterval)
            && Interlocked.CompareExchange(ref _lastLogged, now, last) == last;
    }
}
