using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard;

/// <summary>
/// Cookie replies: forged ones change nothing, the real one counts once and for a while, and a cookie serves nobody but the address and
/// port it was given to.
/// </summary>
public sealed class CookieTarget : Target
{
    private static readonly DateTimeOffset Clock = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly int[] Waits = [6, 5, 114, 115, 116, 119, 120, 121, 300];

    public override string Name => "cookie-reply";

    public override int MaximumLength => 64;

    public override int ShortRun => 600;

    public override IReadOnlyList<byte[]> Dictionary { get; } = [[4, 1], [8, 1], [31, 1], [32, 0x80], [47, 1], [48, 1], [63, 0x80], [0x30, 64], [0x30, 63]];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        byte scenario = reader.Byte();
        var now = new Instant(TimeSpan.TicksPerDay);
        using var initiator = new Machine(1);
        using var responder = new Machine(2);
        PeerTunnel toResponder = initiator.AddPeer(responder);
        responder.AddPeer(initiator);
        toResponder.RequestHandshake();
        byte[] initiation = initiator.Poll(now, Clock, toResponder)!;

        // The responder's secret may already be as old as this when the cookie is made.
        int secretAge = (scenario & 1) == 0 ? 0 : 110;
        Instant secretMade = now;
        if (secretAge > 0)
        {
            responder.Receive(now, initiation, initiator.Address, isUnderLoad: true);
            now += TimeSpan.FromSeconds(secretAge);
            initiation = NextInitiation(initiator, toResponder, now);
        }
        byte[] reply = responder.Receive(now, initiation, initiator.Address, isUnderLoad: true).Reply!;
        Invariant.Equal(64, reply.Length, "an initiation without a cookie gets one under load");
        PeerPath? path = toResponder.Path;

        int forgeries = reader.Pick(8);
        for (int i = 0; i < forgeries; i++)
        {
            byte[] forged = Forgery.Change(reply, ref reader, initiator.PublicKey);
            Reception taken = initiator.Receive(now, forged, responder.Address);
            trace.Note(1, (int)taken.Reason);
            Invariant.Equal(forged.AsSpan().SequenceEqual(reply), taken.IsAccepted, "a forged cookie is not taken");
            if (taken.IsAccepted)
                return;
        }
        bool wasTaken = (scenario & 2) == 0;
        if (wasTaken)
        {
            Endpoint elsewhere = new(IpAddress.IPv4(0x01020304), 9);
            Invariant.Holds(initiator.Receive(now, reply, elsewhere).IsAccepted, "a cookie is taken whatever was forged before");
            Invariant.Equal(DropReason.InvalidCookieReply, initiator.Receive(now, reply, responder.Address).Reason, "a cookie is taken once");
        }
        Invariant.Equal(path, toResponder.Path, "a cookie moves no peer");

        Instant taken2 = now;
        now += TimeSpan.FromSeconds(reader.Pick(Waits));
        if (now - taken2 < TimeSpan.FromSeconds(5.4))
            now = taken2 + TimeSpan.FromSeconds(5.4); // the least time to the next initiation, with its jitter
        byte[] second = NextInitiation(initiator, toResponder, now);
        bool isSigned = second.AsSpan(132).ContainsAnyExcept((byte)0);
        trace.Note(2, isSigned ? 1 : 0);
        Invariant.Equal(wasTaken && now - taken2 < TimeSpan.FromSeconds(115), isSigned, "a cookie is used for 115 seconds");

        Endpoint source = reader.Pick(4) switch
        {
            0 => new Endpoint(initiator.Address.Address, 51821),
            1 => new Endpoint(IpAddress.IPv4(0xC0000203), 51820),
            _ => initiator.Address,
        };
        bool isGood = isSigned && source == initiator.Address && now - secretMade < TimeSpan.FromSeconds(120);
        Reception last = responder.Receive(now, second, source, isUnderLoad: true);
        trace.Note(3, isGood ? 1 : 0);
        Invariant.Equal(isGood ? 92 : 64, last.Reply?.Length, "under load a cookie opens the door to the address and port that it was given to");
    }

    private static byte[] NextInitiation(Machine machine, PeerTunnel peer, Instant now)
    {
        peer.RequestHandshake();
        DateTimeOffset wallClock = Clock + (now - new Instant(TimeSpan.TicksPerDay));
        return machine.Poll(now, wallClock, peer) ?? throw new InvariantException("an initiation that is asked for is sent after its time");
    }
}
