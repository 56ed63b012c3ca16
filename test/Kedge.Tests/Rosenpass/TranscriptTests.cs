using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Tests.Rosenpass;

/// <summary>Recorded handshakes of another implementation, byte for byte, in both roles.</summary>
public class TranscriptTests
{
    private static readonly Instant Now = new(0);
    private static readonly Endpoint Initiator = Endpoint.Parse("192.0.2.1:9999");
    private static readonly Endpoint Responder = Endpoint.Parse("192.0.2.2:9999");

    private readonly byte[] _datagram = new byte[RosenpassExchange.MaximumDatagram];
    private readonly byte[] _outputKey = new byte[RosenpassExchange.OutputKeySize];

    public static TheoryData<string> Profiles => ["blake2b-188", "blake2b-156", "shake256-188", "shake256-156"];

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_handshake_is_what_was_recorded(string profile)
    {
        var transcript = new Transcript(profile);
        using RosenpassExchange initiator = NewExchange(transcript.InitiatorKey, "i"u8, destination => transcript["sidi"].CopyTo(destination));
        using RosenpassExchange responder = NewExchange(transcript.ResponderKey, "r"u8, destination =>
            transcript[destination.Length switch { 4 => "sidr", 24 => "biscuit_nonce", _ => "biscuit_key" }].CopyTo(destination));
        AddPeer(initiator, transcript, transcript.ResponderKey, Responder);
        RosenpassPeer initiatorsPeer = AddPeer(responder, transcript, transcript.InitiatorKey, default);
        Assert.Equal(Convert.ToBase64String(transcript["pid_initiator"]), initiatorsPeer.Id.ToString());

        byte[] initHello = RunToDatagram(initiator, initiator.Poll(Now, _datagram, _outputKey));
        Assert.Equal(transcript["InitHello"], initHello);
        byte[] respHello = RunToDatagram(responder, Receive(responder, initHello, Initiator));
        Assert.Equal(transcript["RespHello"], respHello);
        byte[] initConf = RunToDatagram(initiator, Receive(initiator, respHello, Responder));
        Assert.Equal(transcript["InitConf"], initConf);
        Assert.Equal(transcript["osk"], _outputKey);
        _outputKey.AsSpan().Clear();
        byte[] emptyData = RunToDatagram(responder, Receive(responder, initConf, Initiator));
        Assert.Equal(transcript["EmptyData"], emptyData);
        Assert.Equal(transcript["osk"], _outputKey);
        Assert.True(Receive(initiator, emptyData, Responder).IsNothing);
        Assert.True(initiator.NextDeadline > Now + TimeSpan.FromSeconds(129), "A confirmed handshake is not sent again.");
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_biscuit_is_bound_to_responder_and_sessions(string profile)
    {
        var transcript = new Transcript(profile);
        var responder = new StaticPublicKey(transcript.ResponderKey);
        var additionalData = new byte[32];
        KeyedHash hash = transcript.Dialect.Hash;
        BiscuitKeys.WriteAdditionalData(hash, responder.HashesUnder(hash), transcript["sidi"], transcript["sidr"], additionalData);
        Assert.Equal(transcript["biscuit_ad"], additionalData);
    }

    private static RosenpassExchange NewExchange(byte[] publicKey, ReadOnlySpan<byte> secretKey, RandomBytes random) =>
        new(new StaticKeyPair(new StaticPublicKey(publicKey), secretKey), RosenpassTiming.Default, RosenpassLimits.Default, random);

    private static RosenpassPeer AddPeer(RosenpassExchange exchange, Transcript transcript, byte[] publicKey, Endpoint endpoint) =>
        exchange.AddPeer(new RosenpassPeerSettings(new StaticPublicKey(publicKey), transcript.Dialect)
        {
            PresharedKey = transcript["psk"], Endpoint = endpoint,
        });

    private RosenpassOutcome Receive(RosenpassExchange exchange, byte[] message, Endpoint source) =>
        exchange.Receive(Now, message, source, isUnderLoad: false, _datagram, _outputKey);

    private byte[] RunToDatagram(RosenpassExchange exchange, RosenpassOutcome outcome)
    {
        if (outcome.Job is { } job)
        {
            job.Execute();
            outcome = exchange.Complete(Now, job, _datagram, _outputKey);
        }
        Assert.Equal(RosenpassDropReason.None, outcome.Reason);
        return _datagram[..outcome.Length];
    }
}
