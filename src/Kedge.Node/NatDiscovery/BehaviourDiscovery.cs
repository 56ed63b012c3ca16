using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Threading.Channels;
using Kedge.Linux;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.NatDiscovery;

/// <summary>
/// Asks STUN servers how the NATs on the way behave, in the network namespace of the process, by sockets of its own: what other sockets
/// have mapped stays as it is.
/// </summary>
public sealed class BehaviourDiscovery
{
    private const int LongestDatagram = 1500;
    private const int WaitingDatagrams = 64; // What comes beyond is lost, as a datagram may be.

    private readonly NatBehaviourProbe _probe;
    private readonly AddressFamily _family;
    private readonly uint _mark;
    private readonly Socket?[] _sockets = new Socket?[NatBehaviourProbe.SocketCount];
    private readonly List<Task> _receiving = [];
    private readonly Channel<Arrival> _arrivals = Channel.CreateBounded<Arrival>(
        new BoundedChannelOptions(WaitingDatagrams) { FullMode = BoundedChannelFullMode.DropWrite });

    private BehaviourDiscovery(NatBehaviourProbe probe, AddressFamily family, uint mark) =>
        (_probe, _family, _mark) = (probe, family, mark);

    /// <summary>Asks, which takes up to <see cref="NatBehaviourProbe.LongestTime"/>.</summary>
    /// <param name="servers">Servers of one family. The first <see cref="StunClient.MaximumServers"/> that can be asked are.</param>
    /// <param name="mark">The firewall mark of what is sent; 0 for none. Without the right to set it, there is none.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>What was found; null where the machine has no route to any of them.</returns>
    public static async Task<NatBehaviour?> RunAsync(IEnumerable<Endpoint> servers, uint mark, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(servers);
        HashSet<IpAddress> local = [];
        List<Endpoint> reached = [];
        foreach (Endpoint server in servers.Where(StunClient.CanAsk).Distinct().Take(StunClient.MaximumServers))
        {
            if (FindSource(server, mark) is not { } source)
                continue;
            local.Add(source);
            reached.Add(server);
        }
        if (reached.Count == 0)
            return null;
        var probe = new NatBehaviourProbe(BootClock.Now, reached, local, RandomNumberGenerator.Fill);
        await new BehaviourDiscovery(probe, FamilyOf(reached[0]), mark).RunAsync(cancellation);
        return probe.Result;
    }

    private async Task RunAsync(CancellationToken cancellation)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            byte[] buffer = new byte[NatBehaviourProbe.RequestSize];
            while (true)
            {
                while (_probe.Poll(BootClock.Now, buffer, out int socket, out Endpoint destination) is { Kind: OutcomeKind.ToNetwork } due)
                    Send(socket, destination, buffer.AsSpan(0, due.Length), ending.Token);
                if (_probe.IsFinished)
                    return;
                await ReceiveAsync(ending.Token);
            }
        }
        finally
        {
            await ending.CancelAsync();
            await Task.WhenAll(_receiving);
            foreach (Socket? socket in _sockets)
                socket?.Dispose();
        }
    }

    private void Send(int number, Endpoint destination, ReadOnlySpan<byte> datagram, CancellationToken ending)
    {
        try
        {
            if (_sockets[number] is not { } socket)
            {
                _sockets[number] = socket = new Socket(_family, SocketType.Dgram, ProtocolType.Udp);
                Mark(socket, _mark);
                socket.Bind(new IPEndPoint(_family == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0));
                _receiving.Add(ReceiveAsync(number, socket, ending));
            }
            socket.SendTo(datagram, new IPEndPoint(destination.Address.ToIPAddress(), destination.Port));
        }
        catch (SocketException)
        {
            // It counts as unanswered.
        }
    }

    /// <summary>Waits for a datagram or the next deadline.</summary>
    private async Task ReceiveAsync(CancellationToken ending)
    {
        TimeSpan wait = _probe.NextDeadline - BootClock.Now;
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(ending);
        waiting.CancelAfter(wait > TimeSpan.Zero ? wait : TimeSpan.Zero);
        try
        {
            Arrival arrival = await _arrivals.Reader.ReadAsync(waiting.Token);
            _probe.Receive(BootClock.Now, arrival.Socket, arrival.Datagram, arrival.Source);
        }
        catch (OperationCanceledException) when (!ending.IsCancellationRequested)
        {
            // Lost, or not answered: once more.
        }
    }

    private async Task ReceiveAsync(int number, Socket socket, CancellationToken ending)
    {
        byte[] buffer = new byte[LongestDatagram];
        var any = new IPEndPoint(_family == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        try
        {
            while (true)
            {
                SocketReceiveFromResult received = await socket.ReceiveFromAsync(buffer, any, ending);
                var source = (IPEndPoint)received.RemoteEndPoint;
                var endpoint = new Endpoint(IpAddress.FromBytes(source.Address.GetAddressBytes()), (ushort)source.Port);
                _arrivals.Writer.TryWrite(new Arrival(number, endpoint, buffer[..received.ReceivedBytes]));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // The end, or the end of what this socket can hear.
        }
    }

    /// <summary>The address that the kernel would send from; null where it knows no way.</summary>
    private static IpAddress? FindSource(Endpoint server, uint mark)
    {
        try
        {
            using var socket = new Socket(FamilyOf(server), SocketType.Dgram, ProtocolType.Udp);
            Mark(socket, mark);
            socket.Connect(new IPEndPoint(server.Address.ToIPAddress(), server.Port));
            return IpAddress.FromBytes(((IPEndPoint)socket.LocalEndPoint!).Address.GetAddressBytes());
        }
        catch (SocketException)
        {
            return null;
        }
    }

    private static void Mark(Socket socket, uint mark)
    {
        if (mark != 0)
            SocketMark.TrySet(socket, mark);
    }

    private static AddressFamily FamilyOf(Endpoint endpoint) =>
        endpoint.Address.IsIPv4 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;

    private readonly record struct Arrival(int Socket, Endpoint Source, byte[] Datagram);
}
