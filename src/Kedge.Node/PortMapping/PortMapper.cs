using System.Net;
using System.Net.Sockets;
using Kedge.Linux;
using Kedge.Linux.Netlink;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.PortMapping;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.PortMapping;

/// <summary>
/// Keeps a UDP port of this machine mapped at the gateway of its IPv4 default route, in the network namespace of the process. The gateway may
/// change at any time. <see cref="Port"/> and <see cref="State"/> are for any thread. Whoever made it disposes it, after
/// <see cref="RunAsync"/> has ended.
/// </summary>
/// <param name="secret">The node's secret, from which nonces are derived; at least 16 bytes, copied.</param>
/// <param name="log">Receives what is mapped, and why nothing is.</param>
public sealed class PortMapper(ReadOnlySpan<byte> secret, ILogger log) : IDisposable
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(5);

    private readonly PortMappingClient _client = new(secret, Random.Shared.NextBytes);
    private readonly byte[] _buffer = new byte[512];
    private readonly SemaphoreSlim _portChanged = new(0, 1);
    private Socket? _socket;
    private PortMappingTarget _target;
    private volatile PortMappingState _state = new(default, default, PortMappingError.None);
    private int _port;

    /// <summary>The port that is to be mapped; 0 for none.</summary>
    public ushort Port
    {
        get => (ushort)Volatile.Read(ref _port);
        set
        {
            if (Interlocked.Exchange(ref _port, value) != value && _portChanged.CurrentCount == 0)
                _portChanged.Release();
        }
    }

    /// <summary>Raised when <see cref="State"/> has changed, on a thread of the pool.</summary>
    public event Action? Changed;

    /// <summary>What is mapped at present.</summary>
    public PortMappingState State => _state;

    /// <summary>Runs until it is cancelled, and then deletes the mapping.</summary>
    public async Task RunAsync(CancellationToken ending)
    {
        try
        {
            while (true)
            {
                Follow(FindTarget());
                Send();
                await ReceiveAsync(ending);
                Publish();
            }
        }
        finally
        {
            _client.Use(BootClock.Now, default);
            Send();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _socket?.Dispose();
        _portChanged.Dispose();
    }

    // The address towards the gateway is the one that the kernel would send from.
    private PortMappingTarget FindTarget()
    {
        if (Port == 0)
            return default;
        using RouteSocket kernel = RouteSocket.Open();
        Route? byDefault = kernel.Routes(Route.MainTable) // the kernel lists the one that it takes first
            .FirstOrDefault(route => route is { Destination.Length: 0, IsUnicast: true, Gateway.IsIPv4: true });
        if (byDefault is not { Gateway: var gateway })
            return default;
        if (gateway == _target.Gateway && kernel.Addresses().Any(address => address.Address == _target.Client))
            return _target with { Port = Port };
        try
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            _socket?.Dispose();
            _socket = socket;
            socket.Connect(new IPEndPoint(gateway.ToIPAddress(), PortMappingTarget.ServerPort));
            return new PortMappingTarget(gateway, IpAddress.FromBytes(((IPEndPoint)socket.LocalEndPoint!).Address.GetAddressBytes()), Port);
        }
        catch (SocketException)
        {
            return default; // the network is about to change
        }
    }

    private void Follow(PortMappingTarget target)
    {
        if (target == _target)
            return;
        _target = target;
        _client.Use(BootClock.Now, target);
    }

    private void Send()
    {
        while (_client.Poll(BootClock.Now, _buffer) is > 0 and int length)
        {
            try
            {
                _ = _socket?.Send(_buffer.AsSpan(0, length));
            }
            catch (SocketException)
            {
                // It counts as unanswered.
            }
        }
    }

    /// <summary>Waits for an answer, the next deadline, or the next look at the routes.</summary>
    private async Task ReceiveAsync(CancellationToken ending)
    {
        TimeSpan wait = _client.NextDeadline == Instant.Never ? LookInterval : _client.NextDeadline - BootClock.Now;
        wait = TimeSpan.FromTicks(Math.Clamp(wait.Ticks, 0, LookInterval.Ticks));
        using CancellationTokenSource waiting = CancellationTokenSource.CreateLinkedTokenSource(ending);
        waiting.CancelAfter(wait);
        try
        {
            if (_socket is { } socket && !_target.IsNone)
            {
                int length = await socket.ReceiveAsync(_buffer, waiting.Token);
                _client.Receive(BootClock.Now, _buffer.AsSpan(0, length), _target.Server); // connected: from nobody else
                return;
            }
        }
        catch (OperationCanceledException) when (!ending.IsCancellationRequested)
        {
            return;
        }
        catch (SocketException)
        {
            // Nobody listens there; that, too, counts as unanswered.
        }
        await _portChanged.WaitAsync(wait, ending);
    }

    private void Publish()
    {
        var state = new PortMappingState(_target.Gateway, _client.External, _client.Error);
        if (state == _state)
            return;
        _state = state;
        Changed?.Invoke();
        if (!state.External.IsNone)
            Log.PortMapped(log, state.Gateway, _target.Port, state.External);
        else if (state.Error is not (PortMappingError.None or PortMappingError.NoAnswer))
            Log.PortNotMapped(log, state.Gateway, _target.Port, state.Summary);
    }
}
