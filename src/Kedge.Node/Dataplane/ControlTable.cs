using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>A protocol beside WireGuard on the device's port, and the queue in which its datagrams wait for the control thread.</summary>
/// <param name="Kind">The kind of its datagrams.</param>
/// <param name="Protocol">The protocol.</param>
/// <param name="Queue">The queue; its size is what a flood of this kind may take, and takes from no other.</param>
public sealed record ControlEntry(DatagramKind Kind, IControlProtocol Protocol, DatagramQueue Queue);

/// <summary>The protocols beside WireGuard on the device's port. Any thread.</summary>
/// <param name="entries">The protocols.</param>
public sealed class ControlTable(params ReadOnlySpan<ControlEntry> entries)
{
    private readonly ControlEntry[] _entries = entries.ToArray();

    /// <summary>The protocols.</summary>
    public IReadOnlyList<ControlEntry> Entries => _entries;

    /// <summary>Copies a datagram into the queue of its kind. Any receiving thread; allocates nothing.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="datagram">The datagram.</param>
    /// <param name="remote">Where it came from.</param>
    /// <param name="local">Where it arrived.</param>
    /// <param name="wasEmpty">Whether the control thread may be asleep, and is to be woken.</param>
    /// <returns><see cref="DropReason.None"/> unless it is dropped.</returns>
    public DropReason Add(DatagramKind kind, ReadOnlySpan<byte> datagram, Endpoint remote, Endpoint local, out bool wasEmpty)
    {
        wasEmpty = false;
        foreach (ControlEntry entry in _entries)
        {
            if (entry.Kind != kind)
                continue;
            DropReason reason = entry.Protocol.Check(datagram, remote);
            if (reason != DropReason.None)
                return reason;
            if (!entry.Queue.Takes(datagram.Length))
                return DropReason.UnknownDatagram;
            return entry.Queue.TryAdd(datagram, remote, local, out wasEmpty) ? DropReason.None : DropReason.ControlQueueFull;
        }
        return DropReason.NotEnabled;
    }
}
