using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.KeyExchange;

/// <summary>
/// A running key exchange by Rosenpass: sockets, and three threads. One owns the protocol (<see cref="ExchangeLoop"/>), one executes its
/// jobs (<see cref="JobWorker"/>), and one takes keys to where they are used (<see cref="OutputKeyInstaller"/>), so that neither
/// mathematics nor a slow program delays a message. Any thread may call its members. Whoever made it disposes it.
/// </summary>
public sealed class KeyExchange : IDisposable
{
    private readonly List<UdpPort> _ports = [];
    private readonly Waiter _waiter;
    private readonly RequestQueue _requests;
    private readonly RosenpassExchange _exchange;
    private readonly JobWorker _worker;
    private readonly OutputKeyInstaller _installer;
    private readonly ExchangeLoop _loop;
    private readonly Dictionary<RosenpassPeer, KeyExchangePeer> _peers = [];
    private readonly Dictionary<RosenpassPeer, ResolvedPeer> _names = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;

    /// <summary>Opens the sockets; nothing else happens before <see cref="Start"/>.</summary>
    /// <param name="settings">What is to be done; its keys become this object's.</param>
    /// <param name="output">Receives a line for each key that is written to a file. Any thread.</param>
    /// <param name="log">Where failures are told.</param>
    /// <exception cref="UserError">A port cannot be had.</exception>
    public KeyExchange(KeyExchangeSettings settings, Action<string> output, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _exchange = new RosenpassExchange(settings.Keys, settings.Timing, RosenpassLimits.Default, RandomNumberGenerator.Fill);
        try
        {
            OpenPorts(settings.Listen);
        }
        catch
        {
            ClosePorts();
            _exchange.Dispose();
            throw;
        }
        _waiter = new Waiter(link: null, [.. _ports]);
        _requests = new RequestQueue(_waiter.Wake);
        _worker = new JobWorker(_waiter.Wake, exception => _ended.TrySetException(exception));
        _installer = new OutputKeyInstaller(settings, output, log);
        _loop = new ExchangeLoop(
            _exchange, [.. _ports.Select(port => new ExchangeSocket(port.Sockets[0], port.HasIPv4, port.HasIPv6))], _worker, Take);
        foreach (KeyExchangePeer peer in settings.Peers)
        {
            RosenpassPeer added = _exchange.AddPeer(peer.Settings);
            peer.ZeroPresharedKey();
            _peers.Add(added, peer);
            if (peer.Endpoint is { } name)
                _names.Add(added, new ResolvedPeer(name, added, _exchange, log));
        }
        _thread = DedicatedThread.Create("key exchange", Run, exception => _ended.TrySetException(exception));
    }

    /// <summary>The local ports, in the order of where it was told to listen.</summary>
    public IReadOnlyList<int> Ports => [.. _ports.Select(port => port.Port)];

    /// <summary>Ends with the exchange's thread; fails with the exception that ended that thread or the one of its jobs.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Gives WireGuard peers without a PSK a random one, and begins to exchange keys.</summary>
    public void Start()
    {
        _installer.Start();
        _worker.Start();
        _thread.Start();
    }

    /// <summary>Ends the threads, closes the sockets, and zeroes all keys. Those that were installed stay.</summary>
    public void Dispose()
    {
        _stopping.Cancel();
        _waiter.Wake();
        if (_thread.IsAlive)
            _thread.Join();
        _worker.Dispose();
        _installer.Dispose();
        _exchange.Dispose();
        ClosePorts();
        _waiter.Dispose();
        _stopping.Dispose();
    }

    private void Run()
    {
        while (!_stopping.IsCancellationRequested)
        {
            Instant now = BootClock.Now;
            _requests.RunAll();
            Instant deadline = _loop.RunOnce(now);
            foreach (ResolvedPeer name in _names.Values)
            {
                name.Poll(now, _requests, _stopping.Token);
                deadline = Instant.Earlier(deadline, name.NextDeadline);
            }
            _waiter.Wait(deadline);
        }
        _ended.TrySetResult();
    }

    private void Take(RosenpassPeer peer, OutputKeyReason reason, ReadOnlySpan<byte> key)
    {
        _installer.Post(_peers[peer], reason, key);
        if (reason == OutputKeyReason.Stale && _names.TryGetValue(peer, out ResolvedPeer? name))
            name.Hurry(BootClock.Now);
    }

    private void OpenPorts(IReadOnlyList<Endpoint> listen)
    {
        if (listen.Count == 0)
            Open(default, port: 0);
        foreach (Endpoint endpoint in listen)
        {
            // As elsewhere, [::] stands for IPv4 too, unless 0.0.0.0 is named beside it.
            bool isAll = endpoint.Address == IpAddress.IPv6(0)
                && !listen.Any(other => other.Address.IsIPv4 && other.Port == endpoint.Port);
            Open(isAll ? default : endpoint, endpoint.Port);
        }
    }

    private void Open(Endpoint local, ushort port)
    {
        try
        {
            _ports.Add(new UdpPort(local: local));
            _ports[^1].Open(port);
        }
        catch (LinuxException e)
        {
            throw new UserError($"Nothing can be received at {(local.IsNone ? $"port {port}" : local)}: {e.Message}. Listen elsewhere.", e);
        }
    }

    private void ClosePorts()
    {
        foreach (UdpPort port in _ports)
            port.Dispose();
    }
}
