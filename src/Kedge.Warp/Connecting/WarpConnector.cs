using System.Net.Sockets;
using Kedge.Linux;
using Kedge.Linux.Quic;
using Kedge.Node.Connecting;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Warp;
using Kedge.Warp.Identity;
using Microsoft.Extensions.Logging;

namespace Kedge.Warp.Connecting;

/// <summary>
/// The inner end of a warp: keeps a connection to a listener for ever, and connects what comes by it to targets that it allows. One thread owns
/// all of it; its public members may be called by any.
/// </summary>
public sealed partial class WarpConnector : IQuicEvents, IAsyncDisposable
{
    private const int MostCalls = 16_384;

    // An attempt costs a listener that is back one packet; so a connector asks often, and is back soon after it.
    private static readonly TimeSpan AttemptTime = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan WatchInterval = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(3);

    private readonly ConnectorSettings _settings;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly EventLoop _loop = new();
    private readonly Backoff _backoff = new(new Random(), FirstPause, LongestPause);
    private readonly CancellationTokenSource _ending = new();
    private readonly Dictionary<bool, QuicEndpoint> _endpoints = []; // by whether they speak IPv6
    private volatile WarpIdentity _identity;
    private QuicConnection? _connection;
    private QuicConnection? _successor; // tried while the other is silent, because the listener may have been restarted
    private QuicStream? _registration;
    private string? _refusal; // of the listener's certificate, or the listener's of ours
    private bool _isEnding;

    private WarpConnector(ConnectorSettings settings, TimeProvider clock, ILogger log)
    {
        (_settings, _clock, _log) = (settings, clock, log);
        _identity = WarpIdentity.Read(settings.Identity);
        if (!Kedge.Protocol.Warp.Uid.IsValid(_identity.Uid))
            throw new UserError($"{settings.Identity.Certificate} has no common name that could be a uid, by which a listener knows a connector.");
    }

    /// <summary>The name by which the listener knows this connector: the common name of its certificate.</summary>
    public string Uid => _identity.Uid;

    /// <summary>Called on the connector's thread each time that the listener has let it in.</summary>
    public Action? Admitted { get; init; }

    /// <summary>Ends when the connector's thread has ended; with its exception, if that was a defect.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    private string Server => $"{_settings.Host}:{_settings.Port}";

    /// <summary>Starts a connector.</summary>
    /// <param name="settings">What it is told.</param>
    /// <param name="clock">What time it is.</param>
    /// <param name="log">Where it tells what happens.</param>
    /// <param name="admitted">Called on its thread each time that the listener has let it in.</param>
    /// <exception cref="UserError">It cannot start.</exception>
    public static WarpConnector Start(ConnectorSettings settings, TimeProvider clock, ILogger log, Action admitted)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var connector = new WarpConnector(settings, clock, log) { Admitted = admitted };
        connector._loop.Post(connector.Dial);
        connector._loop.Post(connector.Watch);
        connector.Ended = WarpThread.RunAsync(connector._loop, log);
        return connector;
    }

    /// <summary>Reads certificates and authorities anew, for connections to come; the one that is there stays.</summary>
    public void Reload() => _identity = WarpIdentity.Reread(_settings.Identity, _log) ?? _identity;

    /// <summary>Tells the listener, and ends.</summary>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _loop.Post(() =>
        {
            _isEnding = true;
            _connection?.Close(0, "the connector ends");
            _successor?.Close(0, "the connector ends");
            _loop.Stop();
        });
        await Ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _loop.Dispose();
        _ending.Dispose();
    }

    /// <inheritdoc/>
    public bool Verify(QuicConnection connection, IReadOnlyList<byte[]> certificates)
    {
        string? refusal = _identity.Trust.CheckListener(certificates, _settings.ServerName, _clock.GetUtcNow());
        if (refusal is not null)
            _refusal = $"the listener is not believed: {refusal}";
        return refusal is null;
    }

    /// <inheritdoc/>
    public void OnConnected(QuicConnection connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (connection == _successor)
        {
            _successor = null;
            if (_connection is { IsConnected: true } present && !IsSilent(present))
            {
                connection.Close(0, "not needed");
                return;
            }
            _connection?.Close((ulong)WarpRefusal.Replaced, "the listener was silent");
            _connection = connection;
        }
        if (connection.Protocol == WarpProtocol.Legacy)
        {
            OnAdmitted(); // as far as such a listener tells
            return;
        }
        _registration = connection.OpenStream();
        _registration?.Write(WarpFrame.Hello(_identity.Uid));
    }

    /// <inheritdoc/>
    public void OnClosed(QuicConnection connection, QuicEnd end)
    {
        if (connection == _successor)
            _successor = null;
        if (connection != _connection)
            return;
        (_connection, _registration, _successor) = (_successor, null, null);
        if (_connection is not null)
            return;
        Retry(_refusal ?? Describe(end), isRestart: end.Kind == QuicEndKind.Forgotten || end is { Kind: QuicEndKind.ClosedByPeer, Code: (ulong)WarpRefusal.Ending });
    }

    /// <inheritdoc/>
    public void OnStreamsAllowed(QuicConnection connection)
    {
        // It opens one stream and no more.
    }

    private void ReceiveRegistration(QuicStream stream)
    {
        if (WarpFrame.Parse(stream.Received, out WarpFrame frame) != WarpParse.Complete)
            return;
        stream.Consume(frame.Length);
        if (frame.Kind == WarpFrameKind.Accepted)
            OnAdmitted();
    }

    private void OnAdmitted()
    {
        _backoff.Succeeded();
        Log.Connected(_log, Server, _connection!.Protocol);
        Admitted?.Invoke();
    }

    /// <summary>Begins an attempt. Names are resolved on the pool, for each attempt again.</summary>
    private void Dial()
    {
        if (_isEnding)
            return;
        _refusal = null;
        _ = Task.Run(async () =>
        {
            IpAddress[] addresses = [];
            string reason = "";
            try
            {
                addresses = await ResolveAsync(_settings.Host);
            }
            catch (Exception e) when (IsUnresolved(e))
            {
                reason = e.Message;
            }
            _loop.Post(() =>
            {
                if (addresses.Length == 0)
                    Retry($"the name {_settings.Host} has no address: {reason}", isRestart: false);
                else
                    Dial(addresses[_backoff.Failures % addresses.Length]);
            });
        });
    }

    private void Dial(IpAddress address)
    {
        if (_isEnding)
            return;
        try
        {
            if (!_endpoints.TryGetValue(address.IsIPv6, out QuicEndpoint? endpoint))
            {
                var any = new Endpoint(IpAddress.FromBytes(new byte[address.Size]), 0);
                endpoint = new QuicEndpoint(_loop, any, new QuicSettings { Protocols = WarpProtocol.All, MostPeerStreams = MostCalls, HandshakeTimeout = AttemptTime }, this);
                if (endpoint.HasShortQueue)
                    Log.ShortQueue(_log);
                _endpoints.Add(address.IsIPv6, endpoint);
            }
            _connection = endpoint.Connect(new Endpoint(address, _settings.Port), _identity.Credentials, _settings.ServerName);
        }
        catch (Exception e) when (e is LinuxException or QuicException or UserError)
        {
            Retry(e.Message, isRestart: false);
        }
    }

    /// <summary>
    /// While the listener is silent, tries another connection beside the one that is there: a restarted listener takes it at once, and one that was
    /// only out of reach goes on with the old one.
    /// </summary>
    private void Watch()
    {
        if (_isEnding)
            return;
        if (_successor is null && _connection is { IsConnected: true } present && IsSilent(present))
        {
            try
            {
                _successor = _endpoints[present.Remote.Address.IsIPv6].Connect(present.Remote, _identity.Credentials, _settings.ServerName);
            }
            catch (QuicException)
            {
                // The other one ends soon, and then says so.
            }
        }
        _loop.After(WatchInterval, Watch);
    }

    private static bool IsSilent(QuicConnection connection) => BootClock.Now - connection.LastReceived > Silence;

    private void Retry(string reason, bool isRestart)
    {
        if (_isEnding)
            return;
        TimeSpan pause = _backoff.Next();
        if (isRestart && _backoff.Failures <= 1)
            pause /= 4;
        string clean = PrintableText.Clean(reason);
        Log.Disconnected(_log, Server, clean, pause.TotalSeconds);
        _loop.After(pause, Dial);
    }

    private async Task<IpAddress[]> ResolveAsync(string host) =>
        [.. (await new EndpointName(host, Scope: "", Port: 0).ResolveAsync(_ending.Token)).Select(found => found.Address.Unmapped())];

    private static bool IsUnresolved(Exception e) => e is SocketException or OperationCanceledException or ArgumentException;

    private static string Describe(QuicEnd end)
    {
        const ulong FirstAlert = 256, LastAlert = 511;
        return end.Kind switch
        {
            QuicEndKind.ClosedByPeer => (WarpRefusal)end.Code switch
            {
                WarpRefusal.Ending => "the listener ends",
                WarpRefusal.None when end.Reason.Length == 0 => "the listener has closed the connection without a reason, as socket-warp does where another connector has the uid, or the certificate is not accepted",
                _ => $"the listener says: {end.Reason}",
            },
            QuicEndKind.FailedAtPeer when end.Code is >= FirstAlert and <= LastAlert =>
                $"the listener does not accept this connector's certificate, or is no warp listener (TLS alert {end.Code - FirstAlert}): its log has the reason",
            QuicEndKind.FailedAtPeer => $"the listener's end of the connection failed: {end.Reason} (code {end.Code})",
            QuicEndKind.Silent => "no answer",
            QuicEndKind.Forgotten => "the listener was restarted",
            _ => $"the connection failed: {end.Reason}",
        };
    }
}
