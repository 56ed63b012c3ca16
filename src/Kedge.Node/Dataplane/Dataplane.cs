using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Linux.Netlink;
using Kedge.Linux.Udp;
using Kedge.Node.Streams;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Knock;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.Dataplane;

/// <summary>
/// A running WireGuard device: an interface, a UDP port, and threads between them. Packets run to completion on the thread that read
/// them: <see cref="OutboundPath"/> on one a queue of the interface, <see cref="InboundPath"/> on one a socket of the port, of which there
/// are as many. A flow leaves by one queue and a peer comes in by one socket, so both stay in order. Handshakes, timers and configuration
/// have a thread of their own, <see cref="HandshakeLoop"/>, so that a flood of initiations delays no packet, and the protocols beside
/// WireGuard have another, <see cref="ControlLoop"/>.
/// <para>Any thread may call its members. Whoever made it disposes it; the device and the port are the caller's.</para>
/// </summary>
public sealed class Dataplane : IDisposable
{
    private const int MostQueuesByDefault = 4;
    private const int MostStunMessages = 64;
    private const int MostProbes = 512;
    private const int MostKnocks = 64;
    private const int MostRouters = 4; // a datagram that gets no further than this opens the NATs at home and at the carrier

    private static readonly TimeSpan TraceTime = TimeSpan.FromMilliseconds(500);

    private readonly IPacketDevice _device;
    private readonly IDatagramPort _port;
    private readonly StreamPort? _streams;
    private readonly ILogger _log;
    private readonly WireGuardDevice _wireGuard;
    private readonly ListeningPort _listening;
    private readonly DeviceControl _control;
    private readonly RouteChanges? _routes;
    private readonly PathReview? _pathReview;
    private readonly PathProtocol _paths;
    private readonly PathControl _pathControl;
    private readonly KnockProtocol _knocks;
    private readonly KnockControl _knockControl;
    private readonly LookupControl _lookupControl;
    private readonly ControlLoop _controlLoop;
    private readonly Waiter _controlWaiter = new();
    private readonly RequestQueue _controlRequests;
    private readonly Waiter _waiter;
    private readonly RequestQueue _requests;
    private readonly HandshakeLoop _handshakes;
    private readonly List<Thread> _threads = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _stopping;

    /// <summary>Puts the parts together; nothing runs before <see cref="Start"/>.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="port">
    /// The port, closed, with a socket for each queue: it is opened when the interface is up. A <see cref="StreamPort"/> where peers may be
    /// reached by a stream to the controller too.
    /// </param>
    /// <param name="timestamps">Where timestamps are kept.</param>
    /// <param name="timing">The specification's times, or a test's.</param>
    /// <param name="log">Where faults are told.</param>
    public Dataplane(IPacketDevice device, IDatagramPort port, TimestampFile timestamps, Timing timing, ILogger log)
    {
        (_device, _port, _log) = (device, port, log);
        _streams = port as StreamPort;
        _routes = TryWatchRoutes(log);
        _waiter = device.CreateWaiter(_routes);
        (_requests, _controlRequests) = (new RequestQueue(_waiter.Wake), new RequestQueue(_controlWaiter.Wake));
        _wireGuard = new WireGuardDevice(timing, RandomNumberGenerator.Fill, _waiter.Wake) { Mtu = device.Mtu, IsUp = false };
        var stun = new StunClient(RandomNumberGenerator.Fill);
        _paths = new PathProtocol(RandomNumberGenerator.Fill, _controlWaiter.Wake, _wireGuard.AllowedIps);
        _pathControl = new PathControl(_wireGuard, _paths, stun, Publish, FindRouters, _streams);
        var knocks = new DatagramQueue(MostKnocks, ControlLoop.MaximumLength);
        _knocks = new KnockProtocol(RandomNumberGenerator.Fill, () => knocks.Count, MostKnocks);
        _knockControl = new KnockControl(_wireGuard, _knocks, Publish, log);
        _lookupControl = new LookupControl(_wireGuard, _paths, device.Queues[0], Publish);
        var table = new ControlTable(
            new ControlEntry(DatagramKind.Stun, stun, new DatagramQueue(MostStunMessages, StunMessage.MaximumSize)),
            new ControlEntry(DatagramKind.Probe, _paths, new DatagramQueue(MostProbes, Probe.Size, cutsLonger: true)),
            new ControlEntry(DatagramKind.Knock, _knocks, knocks));
        _controlLoop = new ControlLoop(_wireGuard, table, port.Sockets[0]);
        _pathReview = _routes is null ? null : new PathReview(_wireGuard, _routes);
        _listening = new ListeningPort(port, log);
        _control = new DeviceControl(_wireGuard, stun, _pathControl, _knockControl, _lookupControl, _controlRequests, _listening, timestamps, log);
        DatagramQueue handshakes = HandshakeLoop.CreateQueue();
        _handshakes = new HandshakeLoop(_wireGuard, port.Sockets[0], handshakes, _paths.Legs);
        AddThread("handshake", RunHandshakes);
        AddThread("control", RunControl);
        foreach ((int i, (IPacketQueue queue, IDatagramSocket socket)) in device.Queues.Zip(port.Sockets).Index())
        {
            var outbound = new OutboundPath(_wireGuard, queue, socket, _controlWaiter.Wake);
            var inbound = new InboundPath(_wireGuard, queue, socket, handshakes, table, _paths, _waiter.Wake, _controlWaiter.Wake);
            AddThread($"outbound-{i}", () => Run(outbound.RunBatch, queue.WaitReadable));
            AddThread($"inbound-{i}", () => Run(inbound.RunBatch, socket.WaitReadable));
        }
        if (_streams is { } streams)
        {
            streams.IsPeer = key => _wireGuard.FindPeer(key) is not null;
            AddThread("stream", streams.Link.Run);
            foreach ((string name, IDatagramSocket receiver) in new[] { ("link", streams.Link.Receiver), ("server", streams.Server.Receiver) })
            {
                var inbound = new InboundPath(
                    _wireGuard, device.Queues[0], receiver, handshakes, table, _paths, _waiter.Wake, _controlWaiter.Wake, port.Sockets[0]);
                AddThread($"inbound-{name}", () => Run(inbound.RunBatch, receiver.WaitReadable));
            }
            streams.Link.Changed += _controlWaiter.Wake;
            streams.Server.Changed += _controlWaiter.Wake;
        }
    }

    /// <summary>
    /// How many queues suit this machine. Each has two threads that are busy under load, so there is one for two processors, and at most
    /// <see cref="MostQueuesByDefault"/>, for a machine has more to do than this.
    /// </summary>
    public static int DefaultQueues => Math.Clamp(Environment.ProcessorCount / 2, 1, MostQueuesByDefault);

    /// <summary>Raised when there is something that those who watch the device should know. On the control thread; handlers return at once.</summary>
    public event Action<DeviceEvent>? Happened;

    /// <summary>Ends when the interface is deleted, or fails with what ended a thread.</summary>
    public Task Ended => _ended.Task;

    /// <summary>
    /// Makes the device what it was before, and has it speak at once to the peers that were in use, so that traffic goes on. To be called
    /// before <see cref="Start"/>, if at all.
    /// </summary>
    /// <param name="change">What was kept, with a port only if that is to fail where it cannot be had; stays the caller's.</param>
    /// <param name="keptPort">The port that the process before this one had; 0 for none.</param>
    /// <param name="isFixed">Whether somebody has asked for that port, so that no other will do.</param>
    /// <param name="active">The peers that were in use.</param>
    /// <exception cref="UapiException">The port cannot be had.</exception>
    public void Restore(DeviceChange change, ushort keptPort, bool isFixed, IEnumerable<PublicKey> active) =>
        _control.Restore(change, keptPort, isFixed, active);

    /// <summary>Starts the threads.</summary>
    public void Start()
    {
        foreach (Thread thread in _threads)
            thread.Start();
    }

    /// <summary>Changes the configuration.</summary>
    /// <exception cref="UapiException">It cannot be; nothing has been changed.</exception>
    public void Apply(DeviceChange change) => OnThread(_requests, () => _control.Apply(change));

    /// <summary>The configuration and what has happened. The caller disposes it, because it holds keys.</summary>
    public DeviceStatus Status()
    {
        DeviceStatus status = null!;
        OnThread(_requests, () => status = _control.Status());
        OnThread(_controlRequests, () => Describe(status));
        return status;
    }

    private void Publish(DeviceEvent happened) => Happened?.Invoke(happened);

    private void Describe(DeviceStatus status)
    {
        _pathControl.Describe(status, DateTimeOffset.UtcNow);
        status.Knocks = _knockControl.IsOn;
    }

    /// <summary>Ends the threads, closes the port, and zeroes all keys.</summary>
    public void Dispose()
    {
        Stop();
        foreach (Thread thread in _threads)
            if (thread.IsAlive)
                thread.Join();
        _port.Close();
        _paths.Dispose();
        _wireGuard.Dispose();
        _knocks.Dispose();
        _waiter.Dispose();
        _controlWaiter.Dispose();
        _pathReview?.Dispose();
        _routes?.Dispose();
    }

    private static RouteChanges? TryWatchRoutes(ILogger log)
    {
        try
        {
            return new RouteChanges();
        }
        catch (LinuxException e)
        {
            Log.RoutesNotWatched(log, e.Message); // a sandbox without rtnetlink
            return null;
        }
    }

    private void Stop()
    {
        _stopping = true;
        _ended.TrySetResult();
        foreach (IPacketQueue queue in _device.Queues)
            queue.Wake();
        foreach (IDatagramSocket socket in _port.Sockets)
            socket.Wake();
        _streams?.Link.Stop();
        _streams?.Server.Stop();
        _waiter.Wake();
        _controlWaiter.Wake();
    }

    private void FindRouters(Endpoint server, Action<IReadOnlyList<IpAddress>> found) => DedicatedThread.Start(
        "routers",
        () =>
        {
            byte[] request = new byte[StunClient.RequestSize];
            _ = new StunWriter(request, StunMessageType.BindingRequest, StunTransactionId.Create(RandomNumberGenerator.Fill));
            IReadOnlyList<IpAddress> routers = RouteTrace.FindRouters(
                server, request, MostRouters, _listening.Mark, TraceTime, Surroundings.AreEnough);
            _controlRequests.Post(() => found(routers));
        },
        exception => Log.RoutersNotFound(_log, exception.Message)); // which costs only that the paths are opened as if there was one NAT

    private void OnThread(RequestQueue thread, Action request)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        thread.Post(() =>
        {
            try
            {
                request();
                done.SetResult();
            }
            catch (Exception exception)
            {
                done.SetException(exception);
            }
        });
        Task.WaitAny(done.Task, Ended);
        ObjectDisposedException.ThrowIf(!done.Task.IsCompleted, this);
        done.Task.GetAwaiter().GetResult();
    }

    // A thread that ends takes the whole device with it: half a device would carry nothing, and say nothing.
    private void AddThread(string name, Action run)
    {
        _threads.Add(DedicatedThread.Create(name, Body, Fail));

        void Body()
        {
            run();
            Stop();
        }
    }

    private void Run(Func<int> runBatch, Action waitReadable)
    {
        while (!_stopping)
            if (runBatch() == 0)
                waitReadable();
    }

    private void RunHandshakes()
    {
        while (!_stopping)
        {
            ReadLink();
            _requests.RunAll();
            Instant deadline = Instant.Earlier(_control.Poll(), _pathReview?.Poll(BootClock.Now, _listening.Mark) ?? Instant.Never);
            _waiter.Wait(Instant.Earlier(_handshakes.RunOnce(), deadline));
        }
        _control.Down();
    }

    private void RunControl()
    {
        while (!_stopping)
        {
            _controlRequests.RunAll();
            Instant deadline = _controlLoop.RunOnce();
            _knockControl.Poll();
            _controlWaiter.Wait(Instant.Earlier(deadline, Instant.Earlier(_lookupControl.Poll(), _pathControl.Poll())));
        }
    }

    private void ReadLink()
    {
        while (_device.TryReadState(out LinkState state))
        {
            if (state.Deleted)
            {
                Stop();
                return;
            }
            _wireGuard.Mtu = state.Mtu;
            // Where it cannot be seen, the interface is taken to be up, or its port would never be opened.
            if (state.Moved)
                Log.InterfaceOutOfSight(_log, _device.Name, state.Mtu);
            if (state.Up || state.Moved)
                _control.Up();
            else
                _control.Down();
        }
    }

    private void Fail(Exception exception)
    {
        if (exception is LinuxException gone && (_stopping || gone.Target == _device.Name))
            Log.InterfaceGone(_log, _device.Name, gone.Message);
        else
            _ended.TrySetException(exception);
        Stop();
    }
}
