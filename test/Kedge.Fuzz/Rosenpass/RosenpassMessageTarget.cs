using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Fuzz.Rosenpass;

/// <summary>
/// A handshake between two ends, in front of an attacker who knows their public keys, sees everything, and sends again and changes what he
/// likes, from anywhere: nothing of that makes a key, or an answer longer than the question; and the handshake goes through all the same.
/// </summary>
public sealed class RosenpassMessageTarget : Target
{
    private static readonly Endpoint InitiatorAddress = Endpoint.Parse("192.0.2.1:9999");
    private static readonly Endpoint ResponderAddress = Endpoint.Parse("192.0.2.2:9999");

    public override string Name => "rosenpass-message";

    public override int MaximumLength => 96;

    public override int ShortRun => 300;

    public override IReadOnlyList<byte[]> Dictionary { get; } = [[0x81], [0x82], [0x83], [0x84], [0x85], [0x86]];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        var dialects = new FakeDialects(1);
        RosenpassDialect dialect = reader.Pick<RosenpassDialect>([.. dialects.All]);
        using StaticKeyPair initiatorKeys = dialects.NewKeyPair(), responderKeys = dialects.NewKeyPair();
        using var initiator = new Side(initiatorKeys, InitiatorAddress, 2, trace) { IsUnderLoad = false };
        using var responder = new Side(responderKeys, ResponderAddress, 3, trace) { IsUnderLoad = reader.Flag() };
        initiator.Exchange.AddPeer(new RosenpassPeerSettings(responderKeys.PublicKey, dialect) { Endpoint = ResponderAddress });
        responder.Exchange.AddPeer(new RosenpassPeerSettings(initiatorKeys.PublicKey, dialect));

        byte[]? message = initiator.Poll();
        var seen = new List<byte[]>();
        for (int step = 0; message is not null; step++)
        {
            Invariant.Holds(step < 8, "a handshake ends");
            (Side receiver, Side sender) = step % 2 == 0 ? (responder, initiator) : (initiator, responder);
            seen.Add(message);
            int forgeries = reader.Pick(4);
            for (int i = 0; i < forgeries; i++)
            {
                Side victim = reader.Flag() ? receiver : sender;
                byte[] forged = Forgery.Change(seen[reader.Pick(seen.Count)], ref reader, dialect.Hash, victim.PublicKey);
                if (Forgery.IsEquivalent(forged, message))
                    continue; // the message itself
                int keys = victim.Keys.Count;
                byte[]? answer = victim.Receive(forged, new Endpoint(IpAddress.IPv4(reader.Byte()), 9));
                Invariant.Equal(keys, victim.Keys.Count, "a forgery makes no key");
                Invariant.Holds(answer is null || answer.Length <= forged.Length + 40, "an answer is hardly longer than its question");
            }
            message = receiver.Receive(message, sender.Address);
        }
        Invariant.Equal(1, initiator.Keys.Count, "the initiator gets one key");
        Invariant.Equal(1, responder.Keys.Count, "the responder gets one key");
        Invariant.Equal(initiator.Keys[0], responder.Keys[0], "both get the same key");
    }

    private sealed class Side : IDisposable
    {
        private static readonly Instant Now = new(TimeSpan.TicksPerDay);

        private readonly byte[] _datagram = new byte[RosenpassExchange.MaximumDatagram];
        private readonly byte[] _outputKey = new byte[RosenpassExchange.OutputKeySize];
        private readonly Trace _trace;

        public Side(StaticKeyPair keys, Endpoint address, int seed, Trace trace)
        {
            var random = new Random(seed);
            (PublicKey, Address) = (keys.PublicKey, address);
            _trace = trace;
            Exchange = new RosenpassExchange(keys, RosenpassTiming.Default, RosenpassLimits.Default, random.NextBytes);
        }

        public RosenpassExchange Exchange { get; }

        public StaticPublicKey PublicKey { get; }

        public Endpoint Address { get; }

        public required bool IsUnderLoad { get; init; }

        public List<string> Keys { get; } = [];

        public byte[]? Poll() => Do(Exchange.Poll(Now, _datagram, _outputKey));

        public byte[]? Receive(byte[] message, Endpoint source) =>
            Do(Exchange.Receive(Now, message, source, IsUnderLoad, _datagram, _outputKey));

        public void Dispose() => Exchange.Dispose();

        private byte[]? Do(RosenpassOutcome outcome)
        {
            if (outcome.Job is { } job)
            {
                _trace.Note(1);
                job.Execute();
                outcome = Exchange.Complete(Now, job, _datagram, _outputKey);
            }
            _trace.Note(2, (int)outcome.Reason);
            if (outcome.KeyReason != OutputKeyReason.None)
                Keys.Add(Convert.ToBase64String(_outputKey));
            return outcome.Length > 0 ? _datagram[..outcome.Length] : null;
        }
    }
}
