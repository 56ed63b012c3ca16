using System.Buffers.Binary;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.PortMapping;

namespace Kedge.Tests.PortMapping;

/// <summary>A client on a virtual clock, against gateways whose messages are laid out here from the field tables of RFC 6886 and RFC 6887.</summary>
public sealed class PortMappingClientTests
{
    private static readonly PortMappingTarget Target = new(IpAddress.Parse("192.168.1.1"), IpAddress.Parse("192.168.1.7"), 51820);
    private static readonly byte[] Secret = [.. Enumerable.Repeat((byte)7, 32)];
    private static readonly Endpoint External = Endpoint.Parse("203.0.113.9:40100");

    private readonly PortMappingClient _client = new(Secret, new Random(3).NextBytes);
    private readonly Instant _start = new(1_000_000_000);
    private Instant _now;

    public PortMappingClientTests() => _now = _start;

    [Fact]
    public void Without_a_target_nothing_is_ever_due()
    {
        Assert.Empty(Sent());
        Assert.Equal(Instant.Never, _client.NextDeadline);
        Assert.True(_client.External.IsNone);
    }

    [Fact]
    public void A_first_request_is_laid_out_as_RFC_6887_says()
    {
        _client.Use(_now, Target);

        byte[] request = Assert.Single(Sent());

        Assert.Equal(60, request.Length);
        Assert.Equal([2, 1, 0, 0], request[..4]); // version, MAP request, reserved
        Assert.Equal(1200u, BinaryPrimitives.ReadUInt32BigEndian(request.AsSpan(4))); // lifetime
        Assert.Equal(Mapped("192.168.1.7"), request[8..24]); // client
        Assert.Contains(request[24..36], part => part != 0); // nonce
        Assert.Equal([17, 0, 0, 0], request[36..40]); // UDP, reserved
        Assert.Equal([0xCA, 0x6C, 0xCA, 0x6C], request[40..44]); // internal and suggested port
        Assert.Equal(Mapped("0.0.0.0"), request[44..60]); // suggested address
    }

    [Fact]
    public void A_gateway_is_asked_in_both_protocols_by_turns_and_left_alone_for_ten_minutes_after_no_answer()
    {
        _client.Use(_now, Target);
        List<(double After, string Sizes)> sent = [];
        while (_now - _start < TimeSpan.FromMinutes(10))
        {
            byte[][] requests = Sent();
            if (requests.Length > 0)
                sent.Add(((_now - _start).TotalSeconds, string.Join(' ', requests.Select(request => request.Length))));
            _now = Instant.Earlier(_client.NextDeadline, _start + TimeSpan.FromMinutes(10));
        }

        Assert.Equal([(0, "60"), (0.25, "2 12"), (0.75, "60"), (1.75, "2 12"), (3.75, "60")], sent);
        Assert.Equal(PortMappingError.NoAnswer, _client.Error);
        _now = _client.NextDeadline;
        Assert.InRange(_now - _start, TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(11));
        Assert.Single(Sent());
    }

    [Fact]
    public void A_mapping_by_PCP_is_renewed_after_half_of_its_life_under_the_same_nonce_and_ends_where_nobody_renews_it()
    {
        _client.Use(_now, Target);
        byte[] request = Assert.Single(Sent());

        Assert.True(Answer(PcpAnswer(request, External, lifetime: 600)));

        Assert.Equal(External, _client.External);
        Assert.Equal(PortMappingError.None, _client.Error);
        Assert.InRange(_client.NextDeadline - _now, TimeSpan.FromSeconds(300), TimeSpan.FromSeconds(375));
        Assert.Empty(Sent());
        _now = _client.NextDeadline;
        byte[] renewal = Assert.Single(Sent());
        Assert.Equal(request[24..36], renewal[24..36]);
        Assert.Equal(External.Port, BinaryPrimitives.ReadUInt16BigEndian(renewal.AsSpan(42)));
        Assert.Equal(Mapped("203.0.113.9"), renewal[44..60]);

        while (_now - _start < TimeSpan.FromSeconds(599))
        {
            Assert.Equal(External, _client.External);
            _ = Sent();
            _now = Instant.Earlier(_client.NextDeadline, _start + TimeSpan.FromSeconds(599));
        }
        _now = _start + TimeSpan.FromSeconds(600);
        _ = Sent();
        Assert.True(_client.External.IsNone);
    }

    [Fact]
    public void A_gateway_that_knows_NAT_PMP_alone_is_asked_in_that()
    {
        _client.Use(_now, Target);
        _ = Sent();
        Assert.True(Answer([0, 0x81, 0, 1, 0, 0, 0, 9])); // RFC 6886, section 3.5

        byte[][] requests = Sent();

        Assert.Equal([0, 0], requests[0]);
        Assert.Equal([0, 1, 0, 0, 0xCA, 0x6C, 0xCA, 0x6C, 0, 0, 0x04, 0xB0], requests[1]);
        Assert.True(Answer([0, 0x81, 0, 0, 0, 0, 0, 9, 0xCA, 0x6C, 0x9C, 0xA4, 0, 0, 0x02, 0x58]));
        Assert.True(_client.External.IsNone); // the address is not known yet
        Assert.True(Answer([0, 0x80, 0, 0, 0, 0, 0, 9, 203, 0, 113, 9]));
        Assert.Equal(External, _client.External);
        Assert.InRange(_client.NextDeadline - _now, TimeSpan.FromSeconds(300), TimeSpan.FromSeconds(375));
    }

    [Fact]
    public void A_gateway_that_knows_PCP_alone_is_asked_in_that()
    {
        _client.Use(_now, Target);
        byte[] first = Assert.Single(Sent());
        _now = _client.NextDeadline;
        Assert.Equal(2, Sent().Length);
        Assert.True(Answer([2, 0x80, 0, 1])); // to the request for the address: RFC 6887, section 9

        Assert.Equal(60, Assert.Single(Sent()).Length);
        Assert.True(Answer(PcpAnswer(first, External, lifetime: 600)));
        Assert.Equal(External, _client.External);
    }

    [Theory]
    [InlineData(2, 1800, PortMappingError.NotAuthorized, 1800)]
    [InlineData(7, 30, PortMappingError.NetworkFailure, 30)]
    [InlineData(8, 1, PortMappingError.OutOfResources, 30)]
    [InlineData(10, 86400, PortMappingError.OutOfResources, 1800)]
    [InlineData(12, 0, PortMappingError.AnotherNatBetween, 600)]
    [InlineData(200, 60, PortMappingError.Failed, 60)]
    public void A_refusal_is_told_and_believed_for_as_long_as_the_gateway_says_within_bounds(byte result, uint lifetime, PortMappingError error, int wait)
    {
        _client.Use(_now, Target);
        byte[] answer = PcpAnswer(Assert.Single(Sent()), default, lifetime);
        answer[3] = result;

        Assert.True(Answer(answer));

        Assert.Equal(error, _client.Error);
        Assert.Equal(TimeSpan.FromSeconds(wait), _client.NextDeadline - _now);
    }

    [Theory]
    [InlineData("10.0.0.1")]
    [InlineData("100.64.3.2")]
    [InlineData("192.168.0.9")]
    [InlineData("0.0.0.0")]
    [InlineData("224.0.0.1")]
    public void An_external_address_that_others_cannot_reach_is_no_mapping(string address)
    {
        _client.Use(_now, Target);

        Assert.True(Answer(PcpAnswer(Assert.Single(Sent()), new Endpoint(IpAddress.Parse(address), 40100), lifetime: 600)));

        Assert.True(_client.External.IsNone);
        Assert.Equal(PortMappingError.GatewayBehindNat, _client.Error);
    }

    [Fact]
    public void Nobody_but_the_gateway_is_believed_and_only_about_what_was_asked()
    {
        byte[] strange = PcpAnswer(new byte[60], External, lifetime: 600);
        Assert.False(Answer(strange)); // nothing was asked
        _client.Use(_now, Target);
        byte[] good = PcpAnswer(Assert.Single(Sent()), External, lifetime: 600);

        Assert.False(Answer(strange)); // another nonce
        Assert.False(Answer(good, Endpoint.Parse("192.168.1.2:5351")));
        Assert.False(Answer(good, Endpoint.Parse("192.168.1.1:5350")));
        for (int length = 0; length < good.Length; length++)
            Assert.False(Answer(good[..length]));
        Assert.True(_client.External.IsNone);

        Assert.True(Answer(good));
        Assert.False(Answer(PcpAnswer(good, Endpoint.Parse("203.0.113.66:1"), lifetime: 600))); // it has been answered
        Assert.Equal(External, _client.External);
    }

    [Fact]
    public void Another_port_deletes_the_mapping_of_the_one_before_and_no_port_deletes_it_as_well()
    {
        _client.Use(_now, Target);
        byte[] first = Assert.Single(Sent());
        Assert.True(Answer(PcpAnswer(first, External, lifetime: 600)));

        _client.Use(_now, Target with { Port = 51821 });

        byte[][] requests = Sent();
        Assert.Equal(2, requests.Length);
        AssertDeletes(first, requests[0]);
        Assert.NotEqual(first[24..36], requests[1][24..36]);
        Assert.True(_client.External.IsNone);
        Assert.True(Answer(PcpAnswer(requests[1], External, lifetime: 600)));

        _client.Use(_now, default);
        AssertDeletes(requests[1], Assert.Single(Sent()));
        Assert.Equal(Instant.Never, _client.NextDeadline);
    }

    [Fact]
    public void Another_gateway_is_asked_anew_in_both_protocols()
    {
        _client.Use(_now, Target);
        Assert.True(Answer(PcpAnswer(Assert.Single(Sent()), External, lifetime: 600)));

        _client.Use(_now, Target with { Gateway = IpAddress.Parse("192.168.1.254") });

        Assert.Equal(60, Assert.Single(Sent()).Length); // and the one that is gone is told nothing
        _now = _client.NextDeadline;
        Assert.Equal(2, Sent().Length);
    }

    private static void AssertDeletes(byte[] mapping, byte[] request)
    {
        Assert.Equal(mapping[24..36], request[24..36]);
        Assert.Equal(mapping[40..42], request[40..42]);
        Assert.Equal(0u, BinaryPrimitives.ReadUInt32BigEndian(request.AsSpan(4)));
    }

    private static byte[] Mapped(string address) => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, .. IpAddress.Parse(address).ToIPAddress().GetAddressBytes()];

    private static byte[] PcpAnswer(byte[] request, Endpoint external, uint lifetime)
    {
        byte[] answer = new byte[60];
        (answer[0], answer[1]) = (2, 0x81);
        BinaryPrimitives.WriteUInt32BigEndian(answer.AsSpan(4), lifetime);
        BinaryPrimitives.WriteUInt32BigEndian(answer.AsSpan(8), 9); // epoch
        request.AsSpan(24, 18).CopyTo(answer.AsSpan(24)); // nonce, protocol, internal port
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(42), external.Port);
        Mapped(external.IsNone ? "0.0.0.0" : external.Address.ToString()).CopyTo(answer, 44);
        return answer;
    }

    private bool Answer(byte[] datagram, Endpoint? source = null) => _client.Receive(_now, datagram, source ?? Target.Server);

    private byte[][] Sent()
    {
        List<byte[]> requests = [];
        byte[] buffer = new byte[PortMappingClient.MaximumRequest];
        while (_client.Poll(_now, buffer) is > 0 and int length)
            requests.Add(buffer[..length]);
        return [.. requests];
    }
}
