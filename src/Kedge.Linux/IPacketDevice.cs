using Kedge.Linux.Netlink;

namespace Kedge.Linux;

/// <summary>
/// An interface for IP packets: a TUN interface together with what the kernel says about it, or its in-memory twin in tests. The queues are
/// for their own threads (<see cref="IPacketQueue"/>); one other thread reads the state.
/// </summary>
public interface IPacketDevice
{
    /// <summary>
    /// The name that the interface was created with. A <see cref="LinuxException"/> with this <see cref="LinuxException.Target"/> means
    /// that the interface is gone.
    /// </summary>
    string Name { get; }

    /// <summary>Bytes of the longest packet, as last set on the interface. Any thread.</summary>
    int Mtu { get; }

    /// <summary>The queues, at least one; the same for as long as the device exists.</summary>
    IReadOnlyList<IPacketQueue> Queues { get; }

    /// <summary>
    /// Reads the next state that differs from the last one read, without blocking; the first call returns the state at that time. The
    /// device takes over the MTU of the state that it returns.
    /// </summary>
    /// <returns>Whether the state has changed.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    bool TryReadState(out LinkState state);

    /// <summary>Creates a waiter for the thread that reads the state: its waits also end when there is a state to read.</summary>
    /// <param name="routes">Also ends waits, unless it is paused; null for none. Remains the caller's.</param>
    /// <returns>The waiter; the caller disposes it, before the device.</returns>
    /// <exception cref="LinuxException">No descriptors are left.</exception>
    Waiter CreateWaiter(RouteChanges? routes);
}
