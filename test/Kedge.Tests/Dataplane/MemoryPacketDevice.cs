using Kedge.Linux;
using Kedge.Linux.Netlink;

namespace Kedge.Tests.Dataplane;

/// <summary>The in-memory twin of an interface with one queue: the test sets its state.</summary>
internal sealed class MemoryPacketDevice : IPacketDevice, IDisposable
{
    private readonly Lock _lock = new();
    private readonly Queue<LinkState> _states = new();
    private LinkState _state = new(Up: false, Mtu: 1420);
    private Waiter? _waiter;

    public MemoryPacketDevice() => _states.Enqueue(_state);

    public string Name => "memory0";

    public int Mtu
    {
        get
        {
            lock (_lock)
                return _state.Mtu;
        }
    }

    public MemoryPacketQueue Queue { get; } = new();

    public IReadOnlyList<IPacketQueue> Queues => [Queue];

    /// <summary>Sets the state, as the kernel does.</summary>
    public void Set(LinkState state)
    {
        lock (_lock)
        {
            if (state == _state)
                return;
            _state = state;
            _states.Enqueue(state);
        }
        _waiter?.Wake();
    }

    public bool TryReadState(out LinkState state)
    {
        lock (_lock)
            return _states.TryDequeue(out state);
    }

    public Waiter CreateWaiter(RouteChanges? routes) => _waiter = new Waiter(null, routes);

    public void Dispose() => Queue.Dispose();
}
