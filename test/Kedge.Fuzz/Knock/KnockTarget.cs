using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Knock;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.Knock;

/// <summary>
/// Two nodes that knock at each other, while what they send is lost, sent again, changed, mixed up or invented: who is introduced has the
/// other's certificate, what is changed is neither taken nor answered, no answer to a stranger is longer than its question, and what is
/// kept is bounded.
/// </summary>
public sealed class KnockTarget : Target
{
    private static readonly DateTimeOffset Time = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly Sha256Digest Network = Sha256Digest.Of("network"u8);
    private static readonly byte[][] Certificates = [Certify(0, 0), Certify(1, 0), Certify(0, 32), Certify(1, 16)];
    private static readonly Endpoint[] Places =
        [.. Enumerable.Range(1, 4).Select(i => new Endpoint(IpAddress.IPv4(0xCB007100 + (uint)i), 7891))];

    public override string Name => "knock";

    public override int MaximumLength => 240;

    public override int ShortRun => 1_500;

    public override IReadOnlyList<byte[]> Dictionary { get; } = [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [2, 0, 4, 0x40], [3, 0, 60, 0]];

    /// <summary>The input is a row of steps: what happens, to which datagram or node, where, and how.</summary>
    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        byte sizes = reader.Byte();
        var random = new Random(1);
        using var a = new Party(random, 0, Certificates[(sizes & 1) != 0 ? 2 : 0], Certificates[(sizes & 2) != 0 ? 3 : 1]);
        using var b = new Party(random, 1, Certificates[(sizes & 2) != 0 ? 3 : 1], Certificates[(sizes & 1) != 0 ? 2 : 0]);
        Party[] parties = [a, b];
        var now = new Instant(TimeSpan.TicksPerMinute);
        List<(byte[] Bytes, int To)> sent = [];
        while (!reader.IsEmpty)
        {
            int kind = reader.Pick(6), which = reader.Byte(), how = reader.Byte(), bits = reader.Byte();
            trace.Note(kind, sent.Count > 0 ? sent[^1].Bytes[0] : 0);
            switch (kind)
            {
                case 0:
                    Party knocking = parties[which % 2];
                    knocking.Protocol.Knock(now, Places[1 - (which % 2)]);
                    break;
                case 1 when sent.Count > 0: // a datagram arrives, from wherever
                    (byte[] bytes, int to) = sent[^(1 + (which % sent.Count))];
                    Deliver(parties[to], to, bytes, Places[how % Places.Length]);
                    break;
                case 2 when sent.Count > 0: // a datagram arrives that somebody has changed
                    (byte[] original, int receiver) = sent[^(1 + (which % sent.Count))];
                    byte[] changed = [.. original];
                    int covered = changed.Length - (changed[0] is Datagram.KnockInitiation or Datagram.KnockConfirmation ? 16 : 0);
                    changed[how * 5 % covered] ^= (byte)(1 << (bits % 7));
                    int before = parties[receiver].Outcomes;
                    byte[]? answer = parties[receiver].Receive(now, changed, Places[2]);
                    // Under load a confirmation that is authentic up to the static key has its sender asked for a proof of address.
                    bool isCookie = answer is [Datagram.KnockCookie, ..] && changed[0] == Datagram.KnockConfirmation;
                    Invariant.Holds(answer is null || isCookie, "what was changed is not answered");
                    Invariant.Equal(before, parties[receiver].Outcomes, "what was changed introduces nobody");
                    break;
                case 3:
                    now += TimeSpan.FromMilliseconds(which * 20);
                    break;
                case 4: // somebody else's bytes, that look right
                    byte[] invented = new byte[bits % 2 == 0 ? 1200 : 40 + (how * 4)];
                    random.NextBytes(invented);
                    invented[0] = (byte)(0xF1 + (which % 9));
                    (invented[1], invented[2], invented[3]) = (invented[0] < 0xF4 ? (byte)1 : (byte)0, 0, 0);
                    Invariant.Holds(parties[bits % 2].Receive(now, invented, Places[3]) is null, "what was invented is not answered");
                    break;
                case 5:
                    parties[which % 2].Waiting = how;
                    break;
            }
            foreach ((int i, Party party) in parties.Index())
            {
                byte[] buffer = new byte[1280];
                int count = 0;
                for (; party.Protocol.Poll(now, buffer) is { Sends: true } outcome; count++)
                    Note(buffer[..outcome.Outcome.Length], 1 - i);
                Invariant.Holds(count <= 2, "little is due at once");
                Invariant.Holds(party.Protocol.NextDeadline > now, "what is due is done");
                Invariant.Holds(party.Protocol.Pending <= KnockProtocol.MaximumPending, "what is kept is bounded");
                party.Collect();
            }
        }

        void Deliver(Party party, int index, byte[] bytes, Endpoint from)
        {
            byte[]? answer = party.Receive(now, [.. bytes], from);
            if (answer is null)
                return;
            bool isOfInitiator = answer[0] is Datagram.KnockInitiation or Datagram.KnockConfirmation
                || bytes[0] is Datagram.KnockResponse or Datagram.KnockPart;
            Invariant.Holds(isOfInitiator || answer.Length <= bytes.Length, "no answer is longer than its question");
            Note(answer, 1 - index);
        }

        void Note(byte[] datagram, int to)
        {
            Invariant.Equal(DatagramKind.Knock, Datagram.Classify(datagram), "what is sent is a knock");
            if (sent.Count < 200)
                sent.Add((datagram, to));
        }
    }

    private static byte[] KeyOf(int index) => [.. Enumerable.Repeat((byte)(7 + index), X25519.KeySize)];

    // More tags make it larger than what goes along with a message of the handshake. The signature is not looked at.
    private static byte[] Certify(int index, int tags)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var identity = new LocalIdentity(KeyOf(index));
        var serial = SerialNumber.Create(bytes => bytes.Fill(1));
        CertificateAuthority master = CertificateAuthority.CreateMaster("master", key, serial, Time, Time.AddYears(1));
        var subject = new NodeSubject
        {
            Name = "node",
            ZoneId = Guid.Empty,
            IdentityKey = P256PublicKey.Of(key),
            WireGuardKey = identity.PublicKey,
            Addresses = [IpAddress.IPv4(0x0A000001)],
            Tags = [.. Enumerable.Range(0, tags).Select(i => $"{i:D2}{new string('t', 58)}")],
        };
        return master.CertifyNode(subject, serial, Time, Time.AddDays(1)).Der.ToArray();
    }

    private sealed class Party : IPeerAdmission, IDisposable
    {
        private readonly byte[] _other;

        public Party(Random random, int index, byte[] certificate, byte[] other)
        {
            _other = other;
            var start = new Instant(TimeSpan.TicksPerMinute);
            Protocol = new KnockProtocol(random.NextBytes, () => Waiting, 256);
            Protocol.SetTime(start, Time.AddMinutes(index));
            Protocol.Use(start, new KnockCredentials(Network, new LocalIdentity(KeyOf(index)), certificate), this);
        }

        public KnockProtocol Protocol { get; }

        public int Waiting { get; set; }

        public int Outcomes { get; private set; }

        public byte[]? Receive(Instant now, byte[] datagram, Endpoint from)
        {
            if (Datagram.Classify(datagram) != DatagramKind.Knock || Protocol.Check(datagram, from) != DropReason.None)
                return null;
            byte[] reply = new byte[1280];
            ControlOutcome outcome = Protocol.Receive(now, datagram, from, default, reply);
            Collect();
            Invariant.Holds(!outcome.Sends || outcome.Remote == from, "an answer goes to where its question came from");
            return outcome.Sends ? reply[..outcome.Outcome.Length] : null;
        }

        public void Collect()
        {
            while (Protocol.TryTakeOutcome(out KnockOutcome outcome))
            {
                Outcomes++;
                bool isOther = outcome.Certificate is { } certificate && certificate.Der.Span.SequenceEqual(_other);
                Invariant.Holds(!outcome.Refusal.IsAccepted || isOther, "who is introduced has the other's certificate");
                Invariant.Holds(outcome.Refusal.Sentence().Length > 0, "every end has a reason");
            }
        }

        public CertificateRefusal? Verify(NodeCertificate certificate, DateTimeOffset time) => null;

        public bool IsTaken(NodeCertificate certificate) => false;

        public void Dispose() => Protocol.Dispose();
    }
}
