using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Linux.Netlink;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.Dataplane;

/// <summary>
/// A running WireGuard device: a TUN interface, a UDP port, and three threads between them. Packets run to completion on the thread that
/// read them: <see cref="OutboundPath"/> on one, <see cref="InboundPath"/> on another. Handshakes, timers and configuration have the third,
/// <see cref="HandshakeLoop"/>, so that a flood of initiations delays no packet.
/// <para>Any thread may call its members. Whoever made it disposes it; the device and the port are the caller's.</para>
/// </summary>
public sealed class Dataplane : IDisposable
{
    private readonly IPacketDevice _device;
    private readonly IDatagramSocket _socket;
    private readonly LinkMonitor? _link;
    private readonly ILogger _log;
    private readonly WireGuardDevice _wireGuard;
    private readonly DeviceControl _control;
    private readonly Waiter _waiter;
    private readonly HandshakeLoop _handshakes;
    private readonly OutboundPath _outbound;
    private readonly InboundPath _inbound;
    private readonly Thread[] _threads;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _stopping;

    /// <summary>Puts the parts together; nothing runs before <see cref="Start"/>.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="socket">The port, closed: it is opened when the interface is up.</param>
    /// <param name="link">The interface's state; null for a device without one, which is up from the start.</param>
    /// <param name="timestamps">Where timestamps are kept.</param>
    /// <param name="timing">The specification's times, or a test's.</param>
    /// <param name="log">Where faults are told.</param>
    public Dataplane(IPacketDevice device, IDatagramSocket socket, LinkMonitor? link, TimestampFile timestamps, Timing timing, ILogger log)
    {
        (_device, _socket, _link, _log) = (device, socket, link, log);
        _waiter = new Waiter(link);
        _wireGuard = new WireGuardDevice(timing, RandomNumberGenerator.Fill, _waiter.Wake) { Mtu = device.Mtu, IsUp = false };
        var stun = new StunClient(RandomNumberGenerator.Fill);
        _control = new DeviceControl(_wireGuard, stun, socket, timestamps, log);
        var queue = new HandshakeQueue();
        _handshakes = new HandshakeLoop(_wireGuard, stun, socket, queue, _waiter);
        _outbound = new OutboundPath(_wireGuard, device, socket);
        _inbound = new InboundPath(_wireGuard, device, socket, queue, stun, _waiter.Wake);
        _threads =
        [
            new Thread(() => Guard(RunOutbound)) { Name = "outbound", IsBackground = true },
            new Thread(() => Guard(RunInbound)) { Name = "inbound", IsBackground = true },
            new Thread(() => Guard(RunHandshakes)) { Name = "handshake", IsBackground = true },
        ];
    }

    /// <summary>Ends when the interface is deleted, or fails with what ended a thread.</summary>
    public Task Ended => _ended.Task;

    /// <summary>
    /// Makes the device what it was before, and has it speak at once to the peers that were in use, so that traffic goes on. To be called
    /// before <see cref="Start"/>, if at all.
    /// </summary>
    /// <param name="change">What was kept; stays the caller's.</param>
    /// <param name="active">The peers that were in use.</param>
    public void Restore(DeviceChange change, IEnumerable<PublicKey> active) => _control.Restore(change, active);

    /// <summary>Starts the threads.</summary>
    public void Start()
    {
        foreach (Thread thread in _threads)
            thread.Start();
    }

    /// <summary>Changes the configuration.</summary>
    /// <exception cref="UapiException">It cannot be; nothing has been changed.</exception>
    public void Apply(DeviceChange change) => OnHandshakeThread(() =>
    {
        _control.Apply(change);
        return true;
    });

    /// <summary>The configuration and what has happened. The caller disposes it, because it holds keys.</summary>
    public DeviceStatus Status() => OnHandshakeThread(_control.Status);

    /// <summary>Ends the threads, closes the port, and zeroes all keys.</summary>
    public void Dispose()
    {
        Stop();
        foreach (Thread thread in _threads)
            if (thread.IsAlive)
                thread.Join();
        _socket.Close();
        _wireGuard.Dispose();
        _waiter.Dispose();
    }

    private void Stop()
    {
        _stopping = true;
        _ended.TrySetResult();
        _device.Wake();
        _socket.Wake();
        _waiter.Wake();
    }

    private T OnHandshakeThread<T>(Func<T> request)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _handshakes.Post(() =>
        {
            try
            {
                done.SetResult(request());
            }
            catch (Exception exception)
            {
                done.SetException(exception);
            }
        });
        Task.WaitAny(done.Task, Ended);
        return done.Task.IsCompleted ? done.Task.GetAwaiter().GetResult() : throw new ObjectDisposedException(nameof(Dataplane));
    }

    private void RunOutbound()
    {
        while (!_stopping)
            if (_outbound.RunBatch() == 0)
                _device.WaitReadable();
    }

    private void RunInbound()
    {
        while (!_stopping)
            if (_inbound.RunBatch() == 0)
                _socket.WaitReadable();
    }

    private void RunHandshakes()
    {
        if (_link is null)
            _control.Up();
        while (!_stopping)
        {
            ReadLink();
            _waiter.Wait(_handshakes.RunOnce());
        }
        _control.Down();
    }

    private void ReadLink()
    {
        while (_link is not null && _link.TryRead(out LinkState state))
        {
            if (state.Deleted)
            {
                Stop();
                return;
            }
            _wireGuard.Mtu = state.Mtu;
            _device.RecordMtu(state.Mtu);
            // In another network namespace the interface is out of sight: it is taken to be up, or its port would never be opened.
            if (state.Up || state.Moved)
                _control.Up();
            else
                _control.Down();
        }
    }

    // A thread that ends takes the whole device with it: half a device would carry nothing, and say nothing.
    private void Guard(Action run)
    {
        try
        {
            run();
        }
        catch (LinuxException exception) when (_stopping || exception.Target == _device.Name)
        {
            Log.InterfaceGone(_log, _device.Name, exception.Message);
        }
        catch (Exception exception)
        {
            _ended.TrySetException(exception);
        }
        finally
        {
            Stop();
        }
    }
}
