using Kedge.Crypto.Kem;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Tests.Rosenpass;

/// <summary>The dialects as they are outside of tests: handshakes on the real mechanisms, with the sizes that go over the wire.</summary>
public class RealKemTests
{
    private static readonly Endpoint InitiatorAddress = Endpoint.Parse("192.0.2.1:9999");
    private static readonly Endpoint ResponderAddress = Endpoint.Parse("192.0.2.2:9999");
    private static readonly Instant Now = new(TimeSpan.TicksPerDay);

    private static readonly RosenpassDialect[] All = [RosenpassDialect.Released, RosenpassDialect.V02, RosenpassDialect.V03];

    private readonly byte[] _datagram = new byte[RosenpassExchange.MaximumDatagram];

    public static TheoryData<string, int, int> Dialects => new()
    {
        { "0.2", 1092, 1132 },
        { "V02", 1060, 1100 },
        { "V03", 1060, 1100 },
    };

    [Theory]
    [MemberData(nameof(Dialects))]
    public void Both_ends_get_the_same_key(string name, int initHelloSize, int respHelloSize)
    {
        RosenpassDialect dialect = All.Single(one => one.Name == name);
        using RosenpassExchange initiator = NewExchange(1, out StaticPublicKey initiatorKey);
        using RosenpassExchange responder = NewExchange(2, out StaticPublicKey responderKey);
        initiator.AddPeer(new RosenpassPeerSettings(responderKey, dialect) { Endpoint = ResponderAddress });
        responder.AddPeer(new RosenpassPeerSettings(initiatorKey, dialect));
        byte[] initiatorOutput = new byte[RosenpassExchange.OutputKeySize], responderOutput = new byte[RosenpassExchange.OutputKeySize];

        byte[] initHello = Do(initiator, initiator.Poll(Now, _datagram, initiatorOutput), initiatorOutput);
        byte[] respHello = Receive(responder, initHello, InitiatorAddress, responderOutput);
        byte[] initConf = Receive(initiator, respHello, ResponderAddress, initiatorOutput);
        byte[] emptyData = Receive(responder, initConf, InitiatorAddress, responderOutput);
        Receive(initiator, emptyData, ResponderAddress, initiatorOutput);

        byte[][] messages = [initHello, respHello, initConf, emptyData];
        Assert.Equal([initHelloSize, respHelloSize, 176, 64], messages.Select(message => message.Length));
        Assert.All(new[] { initiator, responder }, end => Assert.Equal(Now, end.Peers.Single().Exchanged));
        Assert.NotEqual(new byte[RosenpassExchange.OutputKeySize], initiatorOutput);
        Assert.Equal(initiatorOutput, responderOutput);
    }

    private static RosenpassExchange NewExchange(int seed, out StaticPublicKey publicKey)
    {
        IKem kem = Kems.McEliece460896;
        byte[] bytes = new byte[kem.PublicKeySize], secretKey = new byte[kem.SecretKeySize];
        kem.GenerateKeyPair(bytes, secretKey);
        publicKey = new StaticPublicKey(bytes);
        return new(new StaticKeyPair(publicKey, secretKey), RosenpassTiming.Default, RosenpassLimits.Default, new Random(seed).NextBytes);
    }

    private byte[] Receive(RosenpassExchange end, byte[] message, Endpoint source, byte[] outputKey) =>
        Do(end, end.Receive(Now, message, source, isUnderLoad: false, _datagram, outputKey), outputKey);

    private byte[] Do(RosenpassExchange end, RosenpassOutcome outcome, byte[] outputKey)
    {
        if (outcome.Job is { } job)
        {
            job.Execute();
            outcome = end.Complete(Now, job, _datagram, outputKey);
        }
        Assert.Equal(RosenpassDropReason.None, outcome.Reason);
        return _datagram[..outcome.Length];
    }
}
