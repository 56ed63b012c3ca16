using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Node.Dataplane;

/// <summary>
/// In a network without a controller, has those that watch the device find out who has an address: passes frames between them and the peers,
/// tells them which addresses packets wait for and which peers are reached, and answers packets that have waited in vain. Owned by the control
/// thread.
/// </summary>
/// <param name="wireGuard">The device; of it only what any thread may use.</param>
/// <param name="paths">The paths, which send and receive the frames.</param>
/// <param name="queue">Where answers to packets go.</param>
/// <param name="publish">Tells those that watch; must return at once.</param>
public sealed class LookupControl(WireGuardDevice wireGuard, PathProtocol paths, IPacketQueue queue, Action<DeviceEvent> publish)
{
    private static readonly Rate AnswerRate = new(Burst: 16, TimeSpan.FromMilliseconds(10));

    private readonly PacketBuffer _answer = new();
    private readonly byte[] _failed = new byte[PendingLookups.LongestPacket];
    private IReadOnlyList<IpPrefix> _overlay = [];
    private TokenBucket _answers;
    private bool _isOn;

    private PendingLookups Lookups => wireGuard.Lookups;

    /// <summary>Begins, or ends.</summary>
    public void Use(bool isOn)
    {
        _isOn = paths.TakesForeign = isOn;
        Lookups.Overlay = isOn ? _overlay : [];
    }

    /// <summary>Says which addresses are looked for.</summary>
    public void UseOverlay(IReadOnlyList<IpPrefix> overlay)
    {
        _overlay = overlay;
        Use(_isOn);
    }

    /// <summary>Sends a peer frames.</summary>
    public void Send(PublicKey peer, IEnumerable<byte[]> frames)
    {
        foreach (byte[] frame in frames)
            paths.Send(peer, frame);
    }

    /// <summary>Gives an address up.</summary>
    public void Fail(IpAddress address) => Lookups.Fail(BootClock.Now, address);

    /// <summary>Does what is due now.</summary>
    /// <returns>When there is something to do again.</returns>
    public Instant Poll()
    {
        if (!_isOn)
            return Instant.Never;
        while (Lookups.TryTakeNew(out IpAddress address))
            publish(new LookupWanted(address));
        while (paths.TryTakeReached(out PublicKey peer, out bool isReached))
            publish(new PeerReached(peer, isReached));
        while (paths.TryTakeFrame(out PublicKey from, out byte[]? frame))
            publish(new FrameReceived(from, frame));
        Instant now = BootClock.Now;
        while (Lookups.TryTakeFailed(now, _failed, out int length))
        {
            wireGuard.Drops.Add(DropReason.NoRoute);
            if (TokenBucket.TryTake(ref _answers, now, AnswerRate))
                Answer(_failed.AsSpan(0, length));
        }
        return Lookups.NextDeadline;
    }

    private void Answer(ReadOnlySpan<byte> packet)
    {
        _answer.Reset();
        if (!IpPacket.TryParse(packet, out IpPacket refused))
            return;
        _answer.Length = IcmpUnreachable.Write(refused, _answer.Array.AsSpan(_answer.Offset));
        if (_answer.Length > 0)
            wireGuard.Drops.Add(DropReason.WriteFailed, 1 - queue.Write([_answer]));
    }
}
