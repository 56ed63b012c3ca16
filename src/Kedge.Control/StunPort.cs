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
/// Tells nodes by UDP where their datagrams come from (RFC 8489). There is one socket for each of the machine's addresses, because an answer
/// must leave from the address that was asked: one socket for all would let the kernel choose, and a node throws away what comes from
/// elsewhere. Addresses that come and go are followed. Any thread.
/// </summary>
internal sealed class StunPort : IAsyncDisposable
{
    private const int LongestDatagram = 1500;
    private static readonly TimeSpan PauseAfterError = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Refresh = TimeSpan.FromSeconds(30);

    private readonly IReadOnlyList<IPAddress> _listen;
    private readonly int _port;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private readonly StunServer _server; // one for all sockets, so that a source's share does not grow with our addresses
    private readonly Dictionary<IPAddress, OpenSocket> _sockets = [];
    private readonly HashSet<IPAddress> _refused = [];
    private readonly CancellationTokenSource _ending = new();
    private Task _following = Task.CompletedTask;

    /// <summary>Makes a port that is closed.</summary>
    /// <param name="listen">Where to listen; a wildcard for all addresses of its family.</param>
    /// <param name="port">The UDP port, 1 to 65535.</param>
    /// <param name="known">The sources from which somebody has authenticated lately.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="log">Receives which addresses it cannot use.</param>
    public StunPort(IReadOnlyList<IPAddress> listen, int port, KnownSources known, TimeProvider clock, ILogger log) =>
        (_listen, _port, _server, _clock, _log) = (listen, port, new StunServer(known), clock, log);

    /// <summary>The UDP port.</summary>
    public int Port => _port;

    /// <summary>Whether anybody can ask.</summary>
    public bool IsOpen
    {
        get
        {
            lock (_lock)
                return _sockets.Count > 0;
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
        foreach (IPAddress address in _sockets.Keys.ToArray())
            await CloseAsync(address);
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
        HashSet<IPAddress> wanted = [.. _listen.SelectMany(AddressesOf)];
        foreach (IPAddress gone in _sockets.Keys.Where(address => !wanted.Contains(address)).ToArray())
            _ = CloseAsync(gone);
        foreach (IPAddress address in wanted.Where(address => !_sockets.ContainsKey(address)))
            Open(address);
    }

    private static IEnumerable<IPAddress> AddressesOf(IPAddress listen) =>
        !listen.Equals(IPAddress.Any) && !listen.Equals(IPAddress.IPv6Any)
            ? [listen]
            : NetworkInterface.GetAllNetworkInterfaces()
                .SelectMany(one => one.GetIPProperties().UnicastAddresses)
                .Select(one => one.Address)
                .Where(address => address.AddressFamily == listen.AddressFamily && !address.IsIPv6LinkLocal);

    private void Open(IPAddress address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            socket.Bind(new IPEndPoint(address, _port));
            var closing = new CancellationTokenSource();
            lock (_lock)
                _sockets[address] = new OpenSocket(socket, closing, RepeatAsync(end => AnswerAsync(socket, end), closing.Token));
            _refused.Remove(address);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            if (_refused.Add(address))
                Log.StunUnavailable(_log, address, _port, e.Message);
        }
    }

    private async Task CloseAsync(IPAddress address)
    {
        OpenSocket? open;
        lock (_lock)
        {
            if (!_sockets.Remove(address, out open))
                return;
        }
        await open.Closing.CancelAsync();
        await open.Answering;
        open.Socket.Dispose();
        open.Closing.Dispose();
    }

    // What cannot be sent is lost, as a datagram may be: nothing waits for anybody here.
    private async Task AnswerAsync(Socket socket, CancellationToken closing)
    {
        byte[] request = new byte[LongestDatagram], response = new byte[StunServer.MaximumResponse];
        var source = new SocketAddress(socket.AddressFamily);
        while (true)
        {
            try
            {
                int length = await socket.ReceiveFromAsync(request, SocketFlags.None, source, closing);
                length = Answer(request.AsSpan(0, length), source, response);
                if (length > 0)
                    socket.SendTo(response.AsSpan(0, length), SocketFlags.None, source);
            }
            catch (SocketException)
            {
                // Whatever it is, it must not keep a processor busy if it lasts.
                await Task.Delay(PauseAfterError, _clock, closing);
            }
        }
    }

    private int Answer(ReadOnlySpan<byte> request, SocketAddress source, Span<byte> response)
    {
        var at = (IPEndPoint)new IPEndPoint(source.Family == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0).Create(source);
        var endpoint = new Endpoint(IpAddress.FromBytes(at.Address.GetAddressBytes()), (ushort)at.Port);
        return _server.Answer(_clock.Now(), request, endpoint, response);
    }

    /// <summary>An address that is open: its socket, and what answers there until it is canceled.</summary>
    private sealed record OpenSocket(Socket Socket, CancellationTokenSource Closing, Task Answering);
}
