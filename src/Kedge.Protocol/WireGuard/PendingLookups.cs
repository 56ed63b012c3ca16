using System.Threading;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// Packets for addresses of the overlay that no peer has, while it is asked who has them: a few for each address, for a few addresses, for a
/// few seconds. Whoever finds the peer adds it, and they go on to it; if nobody does, their senders are told. Any thread.
/// </summary>
/// <param name="device">Whose peers there are.</param>
public sealed class PendingLookups(WireGuardDevice device)
{
    /// <summary>How many addresses are looked for at once.</summary>
    public const int MaximumAddresses = 64;

    /// <summary>How many packets wait for each; the oldest make room.</summary>
    public const int PacketsEach = 8;

    /// <summary>How long an address is looked for.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>How long an address that was not found is not looked for again.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    private const int BytesEach = 16 * 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<IpAddress, Pending> _pending = [];
    private readonly Queue<IpAddress> _new = new();
    private volatile IpPrefix[] _overlay = [];

    /// <summary>The prefixes whose addresses are looked for; empty for none, and then nothing waits any more.</summary>
    public IReadOnlyList<IpPrefix> Overlay
    {
        get => _overlay;
        set
        {
            lock (_lock)
            {
                _overlay = [.. value];
                if (_overlay.Length > 0)
                    return;
                foreach (Pending pending in _pending.Values)
                    device.Drops.Add(DropReason.NoRoute, pending.Packets.Clear());
                _pending.Clear();
                _new.Clear();
            }
        }
    }

    /// <summary>Has a packet wait, if its destination is looked for.</summary>
    /// <param name="now">The time.</param>
    /// <param name="destination">Its destination, which no peer had a moment ago.</param>
    /// <param name="packet">The packet.</param>
    /// <param name="isNew">Whether it is the first one for this address: <see cref="TryTakeNew"/> has the address.</param>
    /// <returns>Whether it waits, or has gone on to a peer that has just been added; if not, its sender is to be told.</returns>
    public bool TryAdd(Instant now, IpAddress destination, ReadOnlySpan<byte> packet, out bool isNew)
    {
        isNew = false;
        lock (_lock)
        {
            if (!IsSought(destination))
                return false;
            // The peer may have been added since it was looked for.
            if (device.AllowedIps.Find(destination) is { } peer)
            {
                peer.Stage(packet);
                return true;
            }
            if (!_pending.TryGetValue(destination, out Pending? pending))
            {
                if (_pending.Count == MaximumAddresses)
                    return false;
                isNew = true;
                _pending[destination] = pending = new Pending(now + Patience);
                _new.Enqueue(destination);
            }
            if (pending.HasFailed)
                return false;
            int dropped = pending.Packets.Add(packet, out _);
            device.Drops.Add(DropReason.NoRoute, dropped);
            return true;
        }
    }

    /// <summary>Takes an address that is to be looked for from now on.</summary>
    public bool TryTakeNew(out IpAddress address)
    {
        lock (_lock)
            return _new.TryDequeue(out address);
    }

    /// <summary>Hands what waits for addresses of a prefix to the peer that has it now.</summary>
    public void Deliver(IpPrefix prefix, PeerTunnel peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        lock (_lock)
        {
            foreach (IpAddress address in _pending.Keys.Where(prefix.Contains).ToArray())
            {
                _pending.Remove(address, out Pending? found);
                byte[] packet = new byte[BytesEach];
                while (found!.Packets.TryTake(packet, out int length))
                    peer.Stage(packet.AsSpan(0, length));
            }
        }
    }

    /// <summary>Gives an address up: nobody has it.</summary>
    public void Fail(Instant now, IpAddress address)
    {
        lock (_lock)
        {
            if (_pending.TryGetValue(address, out Pending? pending) && !pending.HasFailed)
                pending.Deadline = now;
        }
    }

    /// <summary>Takes a packet whose destination was not found.</summary>
    /// <param name="now">The time.</param>
    /// <param name="destination">Receives the packet; room for <see cref="LongestPacket"/> bytes.</param>
    /// <param name="length">The packet's length.</param>
    /// <returns>False when there is none.</returns>
    public bool TryTakeFailed(Instant now, Span<byte> destination, out int length)
    {
        length = 0;
        lock (_lock)
        {
            foreach ((IpAddress address, Pending pending) in _pending)
            {
                if (now < pending.Deadline)
                    continue;
                if (pending.HasFailed)
                    _pending.Remove(address);
                else if (pending.Packets.TryTake(destination, out length))
                    return true;
                else
                    (pending.HasFailed, pending.Deadline) = (true, now + Pause);
            }
            return false;
        }
    }

    /// <summary>Bytes of the longest packet that waits.</summary>
    public const int LongestPacket = BytesEach;

    /// <summary>When <see cref="TryTakeFailed"/> has something to do.</summary>
    public Instant NextDeadline
    {
        get
        {
            lock (_lock)
                return _pending.Values.Aggregate(Instant.Never, (earliest, pending) => Instant.Earlier(earliest, pending.Deadline));
        }
    }

    private bool IsSought(IpAddress destination)
    {
        foreach (IpPrefix prefix in _overlay)
        {
            if (prefix.Contains(destination))
                return true;
        }
        return false;
    }

    private sealed class Pending(Instant deadline)
    {
        public StagedPackets Packets { get; } = new(PacketsEach, BytesEach);
        public Instant Deadline { get; set; } = deadline;
        public bool HasFailed { get; set; }
    }
}
