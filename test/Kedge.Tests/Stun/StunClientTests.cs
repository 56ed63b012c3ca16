using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Stun;

public sealed class StunClientTests
{
    private const int Seed = 7;

    private static readonly Endpoint A = Endpoint.Parse("192.0.2.1:3478");
    private static readonly Endpoint B = Endpoint.Parse("198.51.100.1:3478");
    private static readonly Endpoint Us = Endpoint.Parse("203.0.113.9:51820");
    private static readonly Endpoint UsElsewhere = Endpoint.Parse("203.0.113.9:51821");

    private readonly Random _random = new(Seed);
    private readonly StunClient _client;
    private readonly Instant _start = new(1_000_000_000);
    private Instant _now;

    public StunClientTests()
    {
        _client = new StunClient(_random.NextBytes);
        _now = _start;
    }

    [Fact]
    public void Without_servers_nothing_is_ever_due()
    {
        Assert.Equal(Instant.Never, _client.NextDeadline);
        Assert.Empty(Sent());
        Assert.Equal(NatMapping.Unknown, _client.Mapping);
    }

    [Fact]
    public void A_request_is_sent_at_once_after_half_a_second_and_after_one_more_and_given_up_after_three()
    {
        _client.Use(_now, [A]);
        List<TimeSpan> times = [];
        List<byte[]> requests = [];
        while (_now - _start < TimeSpan.FromSeconds(15))
        {
            foreach ((byte[] request, Endpoint server) in Sent())
            {
                Assert.Equal(A, server);
                times.Add(_now - _start);
                requests.Add(request);
            }
            _now = Instant.Earlier(_client.NextDeadline, _start + TimeSpan.FromSeconds(15));
        }
        Assert.Equal([TimeSpan.Zero, TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(1.5)], times);
        // A repetition is the same transaction (RFC 8489, section 6.2.1).
        Assert.All(requests, request => Assert.Equal(requests[0], request));
        Assert.Equal([0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42], requests[0][..8]);
    }

    [Fact]
    public void An_answer_ends_the_request_and_the_next_one_comes_20_to_25_seconds_later_with_another_identifier()
    {
        _client.Use(_now, [A]);
        byte[] first = Assert.Single(Sent()).Request;
        Assert.Equal(OutcomeKind.Nothing, Answer(first, A, Us));
        Assert.Equal(new StunResult(A, Us), Assert.Single(_client.Results));

        Assert.InRange(_client.NextDeadline - _start, TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(25));
        _now = _client.NextDeadline;
        Assert.NotEqual(first, Assert.Single(Sent()).Request);
    }

    [Fact]
    public void Intervals_vary()
    {
        _client.Use(_now, [A]);
        HashSet<TimeSpan> intervals = [];
        for (int i = 0; i < 10; i++)
        {
            Answer(Assert.Single(Sent()).Request, A, Us);
            intervals.Add(_client.NextDeadline - _now);
            _now = _client.NextDeadline;
        }
        Assert.Equal(10, intervals.Count);
    }

    [Fact]
    public void Servers_are_asked_side_by_side_and_agree_or_do_not()
    {
        _client.Use(_now, [A, B]);
        var sent = Sent().ToDictionary(sent => sent.Server, sent => sent.Request);
        Assert.Equal([A, B], sent.Keys);

        Answer(sent[A], A, Us);
        Assert.Equal(NatMapping.Unknown, _client.Mapping);
        Answer(sent[B], B, Us);
        Assert.Equal(NatMapping.EndpointIndependent, _client.Mapping);

        _now += StunClient.Interval;
        sent = Sent().ToDictionary(sent => sent.Server, sent => sent.Request);
        Answer(sent[B], B, UsElsewhere);
        Assert.Equal(NatMapping.EndpointDependent, _client.Mapping);
    }

    [Fact]
    public void Two_ports_of_one_server_prove_nothing_but_a_difference()
    {
        Endpoint other = A with { Port = 3479 };
        _client.Use(_now, [A, other]);
        var sent = Sent().ToDictionary(sent => sent.Server, sent => sent.Request);
        Answer(sent[A], A, Us);
        Answer(sent[other], other, Us);
        Assert.Equal(NatMapping.Unknown, _client.Mapping);
    }

    [Fact]
    public void Families_are_not_compared()
    {
        Endpoint six = Endpoint.Parse("[2001:db8::1]:3478");
        _client.Use(_now, [A, six]);
        var sent = Sent().ToDictionary(sent => sent.Server, sent => sent.Request);
        Answer(sent[A], A, Us);
        Answer(sent[six], six, Endpoint.Parse("[2001:db8::9]:51820"));
        Assert.Equal(NatMapping.Unknown, _client.Mapping);
    }

    [Fact]
    public void An_answer_from_elsewhere_or_to_another_request_is_dropped()
    {
        _client.Use(_now, [A, B]);
        var sent = Sent().ToDictionary(sent => sent.Server, sent => sent.Request);
        Assert.Equal(DropReason.UnexpectedStun, Drop(Success(sent[A], Us), B));
        Assert.Equal(DropReason.UnexpectedStun, Drop(Success(sent[A], Us), A with { Port = 1 }));
        byte[] guessed = [.. sent[A]];
        guessed[19] ^= 1;
        Assert.Equal(DropReason.UnexpectedStun, Drop(Success(guessed, Us), A));
        Assert.Equal(DropReason.UnexpectedStun, Drop(sent[A], A)); // our own request, sent back
        Assert.Equal(DropReason.UnknownDatagram, Drop(new byte[20], A));
        Assert.All(_client.Results, result => Assert.True(result.Reflexive.IsNone));
    }

    [Fact]
    public void An_error_is_no_answer()
    {
        _client.Use(_now, [A]);
        byte[] error = new byte[64];
        var writer = new StunWriter(error, StunMessageType.BindingError, StunTransactionId.Read(Assert.Single(Sent()).Request.AsSpan(8)));
        writer.AddErrorCode(420);
        Assert.Equal(OutcomeKind.Nothing, _client.Receive(error.AsSpan(0, writer.Length), A).Kind);
        Assert.True(_client.Results.Single().Reflexive.IsNone);
    }

    [Fact]
    public void An_answer_is_kept_over_two_silent_requests_and_forgotten_at_the_third()
    {
        _client.Use(_now, [A]);
        Answer(Assert.Single(Sent()).Request, A, Us);
        Assert.Equal(3, CountSilentRequestsUntilForgotten());
    }

    [Fact]
    public void Servers_that_stay_are_not_asked_anew()
    {
        _client.Use(_now, [A]);
        Answer(Assert.Single(Sent()).Request, A, Us);
        _client.Use(_now, [B, A]);
        Assert.Equal(B, Assert.Single(Sent()).Server);
        Assert.Equal([new StunResult(B, default), new StunResult(A, Us)], _client.Results);
        Assert.True(_client.IsServer(A));

        _client.Use(_now, [B]);
        Assert.False(_client.IsServer(A));
        Assert.Single(_client.Results);
    }

    [Fact]
    public void After_a_restart_what_was_known_is_asked_anew()
    {
        _client.Use(_now, [A]);
        byte[] before = Assert.Single(Sent()).Request;
        Answer(before, A, Us);
        _client.Restart(_now);
        Assert.True(_client.Results.Single().Reflexive.IsNone);
        Assert.Equal(_now, _client.NextDeadline);
        Assert.NotEqual(before, Assert.Single(Sent()).Request);
    }

    [Fact]
    public void Servers_that_cannot_be_are_refused()
    {
        Assert.Throws<ArgumentException>(() => _client.Use(_now, [A with { Port = 0 }]));
        Assert.Throws<ArgumentException>(() => _client.Use(_now, [Endpoint.Parse("224.0.0.1:3478")]));
        Assert.Throws<ArgumentException>(
            () => _client.Use(_now, Enumerable.Range(1, StunClient.MaximumServers + 1).Select(port => A with { Port = (ushort)port })));
    }

    private int CountSilentRequestsUntilForgotten()
    {
        HashSet<string> requests = [];
        while (!_client.Results.Single().Reflexive.IsNone)
        {
            _now = _client.NextDeadline;
            foreach ((byte[] request, _) in Sent())
                requests.Add(Convert.ToHexString(request));
        }
        return requests.Count;
    }

    private List<(byte[] Request, Endpoint Server)> Sent()
    {
        List<(byte[], Endpoint)> sent = [];
        byte[] buffer = new byte[StunClient.RequestSize];
        while (_client.Poll(_now, buffer, out Endpoint server) is { Kind: OutcomeKind.ToNetwork } outcome)
            sent.Add((buffer[..outcome.Length], server));
        return sent;
    }

    private OutcomeKind Answer(byte[] request, Endpoint server, Endpoint reflexive) =>
        _client.Receive(Success(request, reflexive), server).Kind;

    private DropReason Drop(byte[] datagram, Endpoint source) => _client.Receive(datagram, source).Reason;

    /// <summary>What a server answers, by the server of this program.</summary>
    private byte[] Success(byte[] request, Endpoint seen)
    {
        byte[] response = new byte[StunServer.MaximumResponse];
        return response[..new StunServer().Answer(_now, request, seen, response)];
    }
}
