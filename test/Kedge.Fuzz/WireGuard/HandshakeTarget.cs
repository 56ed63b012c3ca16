using Kedge.Protocol;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard;

/// <summary>
/// Handshake messages in both roles. A real initiation or response is forged a few times before it arrives itself: a forgery is accepted
/// only where it differs in nothing that is authenticated, is never answered by more than it brought, and disturbs nothing.
/// </summary>
public sealed class HandshakeTarget : Target
{
    private static readonly Instant Start = new(TimeSpan.TicksPerDay);
    private static readonly DateTimeOffset Clock = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override string Name => "handshake";

    public override int MaximumLength => 64;

    public override int ShortRun => 500;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
        [[0x40], [0x70], [148], [92], [64], [4, 1], [8, 1], [12, 0x80], [39, 0x80], [43, 0x80], [44, 1], [60, 1], [88, 1], [116, 1], [132, 1]];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        byte scenario = reader.Byte();
        bool attacksResponse = (scenario & 1) != 0;
        bool isUnderLoad = (scenario & 2) != 0;
        using var initiator = new Machine(1);
        using var responder = new Machine(2);
        PeerTunnel toResponder = initiator.AddPeer(responder), toInitiator = responder.AddPeer(initiator);
        if ((scenario & 4) != 0)
            toResponder.PresharedKey = toInitiator.PresharedKey = Machine.NewKey(99);

        toResponder.RequestHandshake();
        byte[] initiation = initiator.Poll(Start, Clock, toResponder)!;
        Invariant.Holds(initiator.Poll(Start, Clock, toResponder) is null, "an initiation is sent once");

        bool isTaken = false;
        if (!attacksResponse)
            isTaken = Attack(ref reader, initiation, responder, toInitiator, initiator, isUnderLoad, trace);
        Reception answered = responder.Receive(Start, initiation, initiator.Address);
        trace.Note(1, (int)answered.Reason);
        if (isTaken)
        {
            Invariant.Equal(DropReason.InitiationReplayed, answered.Reason, "an initiation is answered once");
            return;
        }
        Invariant.Equal(DropReason.None, answered.Reason, "an initiation is answered whatever was forged before");
        byte[] response = answered.Reply!;

        if (attacksResponse)
            isTaken = Attack(ref reader, response, initiator, toResponder, responder, isUnderLoad, trace);
        Reception finished = initiator.Receive(Start, response, responder.Address);
        trace.Note(2, (int)finished.Reason);
        if (isTaken)
        {
            Invariant.Equal(DropReason.UnknownIndex, finished.Reason, "a response is taken once");
            return;
        }
        Invariant.Equal(DropReason.None, finished.Reason, "a response is taken whatever was forged before");
        Invariant.Equal(DropReason.UnknownIndex, initiator.Receive(Start, response, responder.Address).Reason, "a response is taken once");
        Confirm(initiator, toResponder, responder, toInitiator);
    }

    /// <summary>Sends forgeries of a message; true as soon as one is taken for the real one.</summary>
    private static bool Attack(
        ref Input reader, byte[] message, Machine victim, PeerTunnel peer, Machine sender, bool isUnderLoad, Trace trace)
    {
        for (int i = 0; i < 8 && !reader.IsEmpty; i++)
        {
            byte[] forged = Forgery.Change(message, ref reader, victim.PublicKey);
            PeerPath? path = peer.Path;
            Machine attacker = sender; // who sits on the path sends from the true address
            Reception reception = victim.Receive(Start, forged, attacker.Address, isUnderLoad);
            trace.Note(3, (int)reception.Reason | (reception.Reply is null ? 0 : reception.Reply.Length << 8));
            Invariant.Holds(reception.Reply is null || reception.Reply.Length <= forged.Length, "a stranger gets no more than it sent");
            if (reception.Reply?.Length == CookieReply.Size)
            {
                Invariant.Holds(isUnderLoad, "cookies are for times of load");
                continue;
            }
            if (!reception.IsAccepted)
            {
                Invariant.Equal(path, peer.Path, "a forgery moves no peer");
                Invariant.Holds(reception.Reply is null, "what is dropped is not answered");
                continue;
            }
            Invariant.Holds(!isUnderLoad, "under load nothing is taken without a cookie");
            Invariant.Holds(Forgery.IsEquivalent(forged, message), "only what is authentic is taken");
            return true;
        }
        return false;
    }

    private static void Confirm(Machine initiator, PeerTunnel toResponder, Machine responder, PeerTunnel toInitiator)
    {
        Invariant.Holds(responder.Seal(Start, toInitiator, []) is null, "a responder sends nothing before it has heard from the initiator");
        byte[]? keepalive = initiator.Poll(Start, Clock, toResponder);
        Invariant.Equal(32, keepalive?.Length, "the initiator confirms the session at once");
        Invariant.Holds(responder.Receive(Start, keepalive, initiator.Address).IsAccepted, "both ends hold the same keys");
        byte[]? back = responder.Seal(Start, toInitiator, []);
        Invariant.Holds(back is not null && initiator.Receive(Start, back, responder.Address).IsAccepted, "both ends hold the same keys");
    }
}
