using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Paths;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <content>Packets that came in two halves.</content>
public sealed partial class InboundPath
{
    private readonly FragmentBuffer _fragments = new();
    private readonly PacketBuffer _whole = new();

    private void AcceptHalf(Instant now, KeyPair session, ReadOnlySpan<byte> frame, byte ecn)
    {
        _whole.Reset();
        Span<byte> packet = _whole.Array.AsSpan(_whole.Offset, FragmentBuffer.MaximumLength);
        FragmentOutcome outcome = _fragments.Take(now, session, frame, ecn, packet);
        _wireGuard.Drops.Add(DropReason.MalformedInnerPacket, outcome.IsMalformed ? 1 : 0);
        _wireGuard.Drops.Add(DropReason.HalfLost, outcome.Lost);
        if (outcome.Length == 0)
            return;
        DropReason reason = session.Peer.AcceptPacket(packet[..outcome.Length], outcome.Ecn, out int length);
        if (reason != DropReason.None)
            _wireGuard.Drops.Add(reason);
        if (length == 0)
            return;
        Write(); // what came before
        WriteFrom(_whole, _whole.Offset, length);
    }
}
