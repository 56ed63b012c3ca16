using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Linux.Quic;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Warp;
using Kedge.Warp.Identity;
using Microsoft.Extensions.Logging;

namespace Kedge.Warp.Listening;

/// <summary>
/// The outer end of a warp: connectors connect to its UDP port, and callers to the ports that are opened for them. One thread owns all of it;
/// its public members may be called by any.
/// </summary>
public sealed partial class WarpListener : IQuicEvents, IAsyncDisposable
{
    private const int MostWaitingCallers = 4096;
    private const int ResetKeySize = 32;

    private static readonly TimeSpan RegistrationTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ProbeTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(5);

    private readonly ListenerSettings _settings;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly EventLoop _loop = new();
    private readonly PortsFile _file;
    private readonly Dictionary<string, Session> _sessions = new(StringComparer.Ordinal);
    private readonly SortedDictionary<int, PublishedPort> _ports = [];
    private readonly QuicEndpoint _endpoint;
    private volatile WarpIdentity _identity;

    private WarpListener(ListenerSettings settings, TimeProvider clock, ILogger log)
    {
        (_settings, _clock, _log) = (settings, clock, log);
        _identity = WarpIdentity.Read(settings.Identity);
        _file = new PortsFile(Path.Combine(settings.StateDirectory, "ports.json"));
        foreach (WarpPort port in _file.Read())
            _ports[port.Listen.Port] = new PublishedPort(port);
        var quic = new QuicSettings
        {
            Protocols = WarpProtocol.All,
            ResetKey = ReadResetKey(Path.Combine(settings.StateDirectory, "reset.key")),
        };
        try
        {
            _endpoint = new QuicEndpoint(_loop, settings.Listen, quic, this) { ServerCredentials = _identity.Credentials };
        }
        catch (LinuxException e)
        {
            throw new UserError($"Connectors cannot be awaited at UDP {settings.Listen}: {e.Message}. Name another address or port.", e);
        }
    }

    /// <summary>The address and UDP port that connectors connect to.</summary>
    public Endpoint Local => _endpoint.Local;

    /// <summary>Ends when the listener's thread has ended; with its exception, if that was a defect.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>Starts a listener, with the ports that it had before.</summary>
    /// <param name="settings">What it is told.</param>
    /// <param name="clock">What time it is.</param>
    /// <param name="log">Where it tells what happens.</param>
    /// <exception cref="UserError">It cannot start.</exception>
    public static WarpListener Start(ListenerSettings settings, TimeProvider clock, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var listener = new WarpListener(settings, clock, log);
        Log.Listening(log, listener.Local, QuicEndpoint.LibraryVersion);
        if (listener._endpoint.HasShortQueue)
            Log.ShortQueue(log);
        listener._loop.Post(listener.OpenKept);
        listener.Ended = WarpThread.RunAsync(listener._loop, log);
        return listener;
    }

    /// <summary>Opens a port for a connector that is there, and keeps it on disk.</summary>
    public Task<Opening> OpenAsync(WarpPort port) => OnLoop(() => Open(port));

    /// <summary>Closes a port; connections that are there stay.</summary>
    /// <returns>False if no such port is open.</returns>
    public Task<bool> CloseAsync(int port) => OnLoop(() => Close(port));

    /// <summary>The ports, in order.</summary>
    public Task<IReadOnlyList<WarpPortStatus>> ListAsync() =>
        OnLoop<IReadOnlyList<WarpPortStatus>>(() => [.. _ports.Values.Select(StatusOf)]);

    /// <summary>The connectors, in order.</summary>
    public Task<IReadOnlyList<WarpConnectorStatus>> ConnectorsAsync() => OnLoop<IReadOnlyList<WarpConnectorStatus>>(() =>
    [
        .. from session in _sessions.Values
           orderby session.Uid
           let connection = session.Connection
           select new WarpConnectorStatus(session.Uid, connection.Remote, connection.Protocol, session.Since, connection.RoundTrip, session.Calls),
    ]);

    /// <summary>
    /// Reads certificates, authorities and lists of revoked certificates anew, for connections to come. Those that are there stay, but of connectors that are revoked.
    /// </summary>
    public void Reload()
    {
        if (WarpIdentity.Reread(_settings.Identity, _log) is not { } identity)
            return;
        _identity = identity;
        _loop.Post(() =>
        {
            _endpoint.ServerCredentials = _identity.Credentials;
            foreach (Session session in _sessions.Values.ToArray())
            {
                if (session.Connection.Tag is Peer peer && _identity.Trust.CheckConnector(peer.Certificates, _clock.GetUtcNow(), out _) is { } refusal)
                    Refuse(session, WarpRefusal.CertificateRefused, refusal);
            }
        });
    }

    /// <summary>Takes no callers any more, tells connectors, and ends.</summary>
    public async ValueTask DisposeAsync()
    {
        _loop.Post(() =>
        {
            foreach (PublishedPort port in _ports.Values)
                port.Acceptor?.Dispose();
            foreach (Session session in _sessions.Values.ToArray())
                session.Connection.Close((ulong)WarpRefusal.Ending, "the listener ends");
            _loop.Stop();
        });
        await Ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _loop.Dispose();
    }

    private Task<T> OnLoop<T>(Func<T> action)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _loop.Post(() =>
        {
            try
            {
                done.SetResult(action());
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        });
        return done.Task;
    }

    private void OpenKept()
    {
        foreach (PublishedPort port in _ports.Values)
        {
            if (port.Acceptor is null)
                TryAccept(port);
        }
        _loop.After(RetryInterval, OpenKept);
    }

    /// <summary>Opens a kept port, or says once why that cannot be done.</summary>
    private void TryAccept(PublishedPort port)
    {
        try
        {
            port.Acceptor = new TcpAcceptor(_loop, port.Port.Listen, caller => Accept(port, caller));
            port.Failure = null;
            Log.PortOpened(_log, port.Port.Listen.Port, port.Port.Target, port.Port.Uid);
        }
        catch (LinuxException e)
        {
            if (port.Failure != e.Message)
                Log.PortUnavailable(_log, port.Port.Listen.Port, e.Message);
            port.Failure = e.Message;
        }
    }

    private Opening Open(WarpPort wanted)
    {
        if (!_sessions.ContainsKey(wanted.Uid))
            return new Opening(OpeningResult.UidUnknown, 0, "", default);
        if (wanted.Listen.Port != 0 && _ports.ContainsKey(wanted.Listen.Port))
            return new Opening(OpeningResult.PortRefused, Errno.EADDRINUSE, "Address already in use", default);
        PublishedPort? published = null;
        TcpAcceptor acceptor;
        try
        {
            acceptor = new TcpAcceptor(_loop, wanted.Listen, caller => Accept(published!, caller));
        }
        catch (LinuxException e)
        {
            return new Opening(OpeningResult.PortRefused, e.Errno, e.Message[(e.Message.LastIndexOf(": ", StringComparison.Ordinal) + 2)..], default);
        }
        published = new PublishedPort(wanted with { Listen = acceptor.Local }) { Acceptor = acceptor };
        _ports.Add(acceptor.Local.Port, published);
        try
        {
            Keep();
        }
        catch (LinuxException)
        {
            acceptor.Dispose();
            _ports.Remove(acceptor.Local.Port);
            throw;
        }
        Log.PortOpened(_log, acceptor.Local.Port, wanted.Target, wanted.Uid);
        return new Opening(OpeningResult.Opened, 0, "", acceptor.Local);
    }

    private bool Close(int number)
    {
        if (!_ports.Remove(number, out PublishedPort? port))
            return false;
        port.Acceptor?.Dispose();
        Keep();
        Log.PortClosed(_log, number);
        return true;
    }

    // On the loop's thread, which carries nothing for those milliseconds: ports are opened seldom.
    private void Keep() => _file.Write(_ports.Values.Select(port => port.Port));

    private static WarpPortStatus StatusOf(PublishedPort port) => new(
        port.Port, port.Failure, port.Calls.Count, port.Connections, port.Failures,
        port.BytesIn + port.Calls.Sum(call => call.BytesOut), port.BytesOut + port.Calls.Sum(call => call.BytesIn));

    private static byte[] ReadResetKey(string path)
    {
        if (PrivateFile.TryRead(path, out byte[]? key) && key.Length == ResetKeySize)
            return key;
        key = RandomNumberGenerator.GetBytes(ResetKeySize);
        PrivateFile.Write(path, key);
        return key;
    }
}
