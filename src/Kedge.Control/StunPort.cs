using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Kedge.Control.Scheduling;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Kedge.Protocol.Stun;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Control;

/// <summary>
/// Tells nodes by UDP where their datagrams come from (RFC 8489), and how NATs treat them (RFC 5780): every address has a second port, and
/// where several addresses of a family were given, each also has the next of them to answer from. There is one socket for each address and
/// port, because an answer must leave from the address that was asked: one socket for all would let the kernel choose, and a node throws
/// away what comes from elsewhere. Addresses that come and go are followed. Any thread.
/// </summary>
internal sealed class StunPort : IAsyncDisposable
{
    private const int LongestDatagram = 1500;
    private static readonly TimeSpan PauseAfterError = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Refresh = TimeSpan.FromSeconds(30);

    private readonly IReadOnlyList<IPAddress> _listen;
    private readonly int _port;
    private readonly int _otherPort;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private readonly StunServer _server; // one for all sockets, so that a source's share does not grow with our addresses
    private readonly Dictionary<Endpoint, OpenSocket> _sockets = [];
    private readonly HashSet<Endpoint> _refused = [];
    private readonly CancellationTokenSource _ending = new();
    private Task _following = Task.CompletedTask;

    /// <summary>Makes a port that is closed.</summary>
    /// <param name="listen">Where to listen; a wildcard for all addresses of its family.</param>
    /// <param name="port">The UDP port, 1 to 65535.</param>
    /// <param name="otherPort">The port from which answers come that are asked to; 0 for none.</param>
    /// <param name="known">The sources from which somebody has authenticated lately.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="log">Receives which addresses it cannot use.</param>
    public StunPort(IReadOnlyList<IPAddress> listen, int port, int otherPort, KnownSources known, TimeProvider clock, ILogger log) =>
        (_listen, _port, _otherPort, _server, _clock, _log) = (listen, port, otherPort, new StunServer(known), clock, log);

    /// <summary>The UDP port.</summary>
    public int Port => _port;

    /// <summary>Whether anybody can ask.</summary>
    public bool IsOpen
    {
        get
        {
            lock (_lock)
                return _sockets.Keys.Any(endpoint => endpoint.Port == _port);
        }
    }

    /// <summary>Opens it. An address that cannot be used is told of and tried again later.</summary>
    public void Open()
    {
        Follow();
        _following = FollowAsync(_ending.Token);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _following;
        foreach (Endpoint endpoint in _sockets.Keys.ToArray())
            await CloseAsync(endpoint);
        _ending.Dispose();
    }

    private async Task FollowAsync(CancellationToken ending)
    {
        using var timer = new PeriodicTimer(Refresh, _clock);
        await RepeatAsync(
            async cancellation =>
            {
                await timer.WaitForNextTickAsync(cancellation);
                Follow();
            },
            ending);
    }

    private Task RepeatAsync(Func<CancellationToken, Task> work, CancellationToken ending) =>
        BackgroundLoop.RunAsync(work, e => Log.WorkFailed(_log, e, "STUN"), _clock, ending);

    private void Follow()
    {
        HashSet<Endpoint> wanted =
        [
            .. from listen in _listen
               from address in AddressesOf(listen)
               from port in (int[])[_port, _otherPort]
               where port != 0
               select new Endpoint(IpAddress.FromBytes(address.GetAddressBytes()), (ushort)port),
        ];
        foreach (Endpoint gone in _sockets.Keys.Where(endpoint => !wanted.Contains(endpoint)).ToArray())
            _ = CloseAsync(gone);
        foreach (Endpoint endpoint in wanted.Where(endpoint => !_sockets.ContainsKey(endpoint)))
            Open(endpoint);
    }

    private static IEnumerable<IPAddress> AddressesOf(IPAddress listen) =>
        !IsEverywhere(listen)
            ? [listen]
            : NetworkInterface.GetAllNetworkInterfaces()
                .SelectMany(one => one.GetIPProperties().UnicastAddresses)
                .Select(one => one.Address)
                .Where(address => address.AddressFamily == listen.AddressFamily && !address.IsIPv6LinkLocal);

    private static bool IsEverywhere(IPAddress listen) => listen.Equals(IPAddress.Any) || listen.Equals(IPAddress.IPv6Any);

    private void Open(Endpoint endpoint)
    {
        IPAddress address = endpoint.Address.ToIPAddress();
        var socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            socket.Bind(new IPEndPoint(address, endpoint.Port));
            var closing = new CancellationTokenSource();
            lock (_lock)
                _sockets[endpoint] = new OpenSocket(socket, closing, RepeatAsync(end => AnswerAsync(socket, endpoint, end), closing.Token));
            _refused.Remove(endpoint);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            if (!_refused.Add(endpoint))
                return;
            if (endpoint.Port == _port)
                Log.StunUnavailable(_log, address, endpoint.Port, e.Message);
            else
                Log.OtherStunPortUnavailable(_log, address, endpoint.Port, e.Message);
        }
    }

    private async Task CloseAsync(Endpoint endpoint)
    {
        OpenSocket? open;
        lock (_lock)
        {
            if (!_sockets.Remove(endpoint, out open))
                return;
        }
        await open.Closing.CancelAsync();
        await open.Answering;
        open.Socket.Dispose();
        open.Closing.Dispose();
    }

    /// <summary>From where an endpoint's requests can be answered at present.</summary>
    private StunOrigins OriginsOf(Endpoint endpoint)
    {
        int otherPort = endpoint.Port == _port ? _otherPort : _port;
        lock (_lock)
        {
            bool hasOtherPort = _sockets.ContainsKey(endpoint with { Port = (ushort)otherPort });
            return hasOtherPort ? new StunOrigins(endpoint, NextAddress(endpoint), (ushort)otherPort) : new StunOrigins(endpoint);
        }
    }

    /// <summary>
    /// The address that follows among those of the family that were given, around in a circle; none where there is no other with both ports.
    /// What a machine happens to have beside them need not lead to the same places.
    /// </summary>
    private IpAddress NextAddress(Endpoint endpoint)
    {
        List<IpAddress> given =
        [
            .. from listen in _listen
               where !IsEverywhere(listen)
               let address = IpAddress.FromBytes(listen.GetAddressBytes())
               where address.Size == endpoint.Address.Size
               where Array.TrueForAll([_port, _otherPort], port => _sockets.ContainsKey(new Endpoint(address, (ushort)port)))
               select address,
        ];
        int at = given.IndexOf(endpoint.Address);
        return at < 0 || given.Count < 2 ? default : given[(at + 1) % given.Count];
    }

    // What cannot be sent is lost, as a datagram may be: nothing waits for anybody here.
    private async Task AnswerAsync(Socket socket, Endpoint endpoint, CancellationToken closing)
    {
        byte[] request = new byte[LongestDatagram], response = new byte[StunServer.MaximumResponse];
        var source = new SocketAddress(socket.AddressFamily);
        while (true)
        {
            try
            {
                int length = await socket.ReceiveFromAsync(request, SocketFlags.None, source, closing);
                length = Answer(request.AsSpan(0, length), source, endpoint, response, out Endpoint origin);
                if (length > 0)
                    Send(response.AsSpan(0, length), source, origin == endpoint ? socket : null, origin);
            }
            catch (SocketException)
            {
                // Whatever it is, it must not keep a processor busy if it lasts.
                await Task.Delay(PauseAfterError, _clock, closing);
            }
        }
    }

    private int Answer(ReadOnlySpan<byte> request, SocketAddress source, Endpoint arrived, Span<byte> response, out Endpoint origin)
    {
        var at = (IPEndPoint)new IPEndPoint(source.Family == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0).Create(source);
        var endpoint = new Endpoint(IpAddress.FromBytes(at.Address.GetAddressBytes()), (ushort)at.Port);
        return _server.Answer(_clock.Now(), request, endpoint, OriginsOf(arrived), response, out origin);
    }

    private void Send(ReadOnlySpan<byte> response, SocketAddress destination, Socket? own, Endpoint origin)
    {
        if (own is not null)
        {
            own.SendTo(response, SocketFlags.None, destination);
            return;
        }
        lock (_lock) // or it might be closed
        {
            if (_sockets.TryGetValue(origin, out OpenSocket? other))
                other.Socket.SendTo(response, SocketFlags.None, destination);
        }
    }

    /// <summary>An endpoint that is open: its socket, and what answers there until it is canceled.</summary>
    private sealed record OpenSocket(Socket Socket, CancellationTokenSource Closing, Task Answering);
}
