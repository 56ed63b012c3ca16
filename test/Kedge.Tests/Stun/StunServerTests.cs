using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Kedge.Protocol.Stun;

namespace Kedge.Tests.Stun;

public sealed class StunServerTests
{
    private static readonly Endpoint Source = Endpoint.Parse("192.0.2.1:32853");

    private static readonly Endpoint s_server = Endpoint.Parse("198.51.100.1:3478");
    private static readonly StunOrigins s_twoAddresses = new(s_server, IpAddress.Parse("198.51.100.2"), 3479);

    private readonly StunServer _server = new();
    private readonly byte[] _response = new byte[StunServer.MaximumResponse];
    private Instant _now = new(1_000_000_000);

    [Fact]
    public void A_plain_request_is_answered_with_32_bytes()
    {
        byte[] response = Answer(PlainRequest(), Source);
        // The header and XOR-MAPPED-ADDRESS as in RFC 5769, section 2.2.
        Assert.Equal([1, 1, 0, 12, .. StunVectors.IPv4Response[4..20], .. StunVectors.IPv4Response[36..48]], response);
    }

    [Fact]
    public void A_plain_request_over_IPv6_is_answered_with_44_bytes()
    {
        byte[] response = Answer(PlainRequest(), Endpoint.Parse("[2001:db8:1234:5678:11:2233:4455:6677]:32853"));
        Assert.Equal([1, 1, 0, 24, .. StunVectors.IPv6Response[4..20], .. StunVectors.IPv6Response[36..60]], response);
    }

    [Fact]
    public void A_source_mapped_into_IPv6_is_answered_as_the_IPv4_address_that_it_is() =>
        Assert.Equal(Answer(PlainRequest(), Source), Answer(PlainRequest(), Endpoint.Parse("[::ffff:192.0.2.1]:32853")));

    [Fact]
    public void An_attribute_that_must_be_understood_and_is_not_is_refused_by_name()
    {
        byte[] response = Answer(StunVectors.Request, Source);
        Assert.True(StunMessage.TryParse(response, out StunMessage message));
        Assert.Equal(StunMessageType.BindingError, message.Type);
        Assert.Equal(StunTransactionId.Read(StunVectors.TransactionId), message.TransactionId);
        Assert.True(message.TryFind(StunAttribute.ErrorCode, out ReadOnlySpan<byte> code));
        Assert.Equal([0, 0, 4, 20], code.ToArray());
        Assert.True(message.TryFind(StunAttribute.UnknownAttributes, out ReadOnlySpan<byte> unknown));
        Assert.Equal([0x00, 0x24], unknown.ToArray());
        Assert.True(message.TryFind(StunAttribute.Fingerprint, out _)); // because the request had one
    }

    [Fact]
    public void What_needs_no_understanding_is_passed_over()
    {
        // SOFTWARE, and an attribute that nobody has registered.
        byte[] request = [0, 1, 0, 16, .. PlainRequest()[4..], 0x80, 0x22, 0, 3, 1, 2, 3, 0, 0xC0, 0x01, 0, 4, 1, 2, 3, 4];
        Assert.Equal(Answer(PlainRequest(), Source), Answer(request, Source));
    }

    [Fact]
    public void No_answer_is_longer_than_the_bound_nor_much_longer_than_its_request()
    {
        for (int count = 0; count < 100; count++)
        {
            _now += TimeSpan.FromSeconds(1);
            byte[] attributes = [.. Enumerable.Range(0, count).SelectMany(i => (byte[])[0x7F, (byte)i, 0, 0])];
            byte[] request = [0, 1, (byte)(attributes.Length >> 8), (byte)attributes.Length, .. PlainRequest()[4..], .. attributes];
            byte[] response = Answer(request, Endpoint.Parse("[2001:db8::1]:1"));
            Assert.InRange(response.Length, 20, StunServer.MaximumResponse);
            Assert.InRange(response.Length, 20, request.Length + 24);
        }
    }

    [Fact]
    public void Whatever_is_no_binding_request_is_not_answered()
    {
        byte[] request = PlainRequest();
        byte[] withoutCookie = [.. request];
        withoutCookie[4] ^= 1; // as of RFC 3489
        Assert.Empty(Answer(withoutCookie, Source));
        Assert.Empty(Answer([0, 0x11, .. request[2..]], Source)); // an indication
        Assert.Empty(Answer([0, 3, .. request[2..]], Source)); // another method
        Assert.Empty(Answer(StunVectors.IPv4Response, Source)); // two servers would answer each other for ever
        Assert.Empty(Answer([], Source));
    }

    [Theory]
    [InlineData("192.0.2.1:0")]
    [InlineData("0.0.0.0:1")]
    [InlineData("0.1.2.3:1")]
    [InlineData("224.0.0.1:1")]
    [InlineData("255.255.255.255:1")]
    [InlineData("[::]:1")]
    [InlineData("[ff02::1]:1")]
    [InlineData("[::ffff:224.0.0.1]:1")]
    public void Sources_that_are_no_single_machine_are_not_answered(string source) =>
        Assert.Empty(Answer(PlainRequest(), Endpoint.Parse(source)));

    [Fact]
    public void A_source_gets_50_answers_at_once_and_20_a_second_and_others_are_not_concerned()
    {
        Assert.Equal(50, AnswersOf(200, Source));
        Assert.Equal(50, AnswersOf(200, Endpoint.Parse("192.0.2.2:1")));
        _now += TimeSpan.FromSeconds(1);
        Assert.Equal(20, AnswersOf(200, Source with { Port = 1 }));
    }

    [Fact]
    public void Invented_addresses_use_up_the_budget_of_strangers_and_a_known_source_gets_its_answer()
    {
        var known = new KnownSources();
        var server = new StunServer(known);
        known.Add(_now, Source.Address);
        int answers = 0;
        for (uint i = 0; i < 10_000; i++)
            answers += server.Answer(_now, PlainRequest(), new Endpoint(IpAddress.IPv4(0x0B000000 + i), 1), _response) > 0 ? 1 : 0;
        Assert.Equal(StunServer.TogetherPerSecond, answers);
        Assert.True(server.Answer(_now, PlainRequest(), Source, _response) > 0);
    }

    [Theory]
    [InlineData(StunChange.None, "198.51.100.1:3478")]
    [InlineData(StunChange.Port, "198.51.100.1:3479")]
    [InlineData(StunChange.Address, "198.51.100.2:3478")]
    [InlineData(StunChange.Address | StunChange.Port, "198.51.100.2:3479")]
    public void An_answer_comes_from_where_it_is_asked_to_and_tells_the_servers_endpoints(StunChange change, string from)
    {
        byte[] response = Answer(LongRequest(change), Source, s_twoAddresses, out Endpoint origin);
        Assert.Equal(Endpoint.Parse(from), origin);
        Assert.True(StunMessage.TryParse(response, out StunMessage message));
        Assert.True(message.TryReadMappedAddress(out Endpoint seen));
        Assert.Equal(Source, seen);
        // RFC 5780, sections 7.3 and 7.4.
        Assert.True(message.TryReadAddress((StunAttribute)0x802B, out Endpoint told));
        Assert.Equal(origin, told);
        Assert.True(message.TryReadAddress((StunAttribute)0x802C, out Endpoint other));
        Assert.Equal(Endpoint.Parse("198.51.100.2:3479"), other);
    }

    [Fact]
    public void CHANGE_REQUEST_is_read_by_the_bits_of_the_RFC()
    {
        byte[] request = [0, 1, 0, 8, .. PlainRequest()[4..], 0, 3, 0, 4, 0, 0, 0, 6]; // A and B of section 7.2
        Answer(request, Source, s_twoAddresses, out Endpoint origin);
        Assert.Equal(Endpoint.Parse("198.51.100.2:3479"), origin);
    }

    [Theory]
    [InlineData(StunChange.Address, 3479)]
    [InlineData(StunChange.Address | StunChange.Port, 3479)]
    [InlineData(StunChange.Port, 0)]
    public void A_change_that_cannot_be_made_is_refused_from_where_it_was_asked(StunChange change, int otherPort)
    {
        byte[] response = Answer(LongRequest(change), Source, new StunOrigins(s_server, default, (ushort)otherPort), out Endpoint origin);
        Assert.Equal(s_server, origin);
        Assert.True(StunMessage.TryParse(response, out StunMessage message));
        Assert.Equal(StunMessageType.BindingError, message.Type);
        Assert.True(message.TryFind(StunAttribute.UnknownAttributes, out ReadOnlySpan<byte> unknown));
        Assert.Equal([0, 3], unknown.ToArray());
    }

    [Fact]
    public void Another_port_of_the_same_address_is_told_to_those_only_that_know_of_changes()
    {
        var onePort = new StunOrigins(s_server, default, 3479);
        Assert.True(StunMessage.TryParse(Answer(LongRequest(StunChange.None), Source, onePort, out _), out StunMessage message));
        Assert.True(message.TryReadAddress(StunAttribute.OtherAddress, out Endpoint other));
        Assert.Equal(s_server with { Port = 3479 }, other);

        byte[] software = [0, 1, 0, 48, .. PlainRequest()[4..], 0x80, 0x22, 0, 44, .. new byte[44]];
        Assert.True(StunMessage.TryParse(Answer(software, Source, onePort, out _), out message));
        Assert.False(message.TryFind(StunAttribute.OtherAddress, out _));
        Assert.True(message.TryFind(StunAttribute.ResponseOrigin, out _));
    }

    [Fact]
    public void No_answer_is_longer_than_its_request_by_more_than_one_address()
    {
        for (int length = 0; length <= 100; length += 4)
        {
            foreach ((string source, string server, string other, int more) in new[]
            {
                ("192.0.2.1:1", "198.51.100.1:3478", "198.51.100.2", 12), ("[2001:db8::1]:1", "[2001:db8::2]:3478", "[2001:db8::3]", 24),
            })
            {
                foreach (bool hasFingerprint in new[] { false, true })
                {
                    _now += TimeSpan.FromSeconds(1);
                    byte[] request = new byte[200];
                    var writer = new StunWriter(request, StunMessageType.BindingRequest, StunTransactionId.Read(StunVectors.TransactionId));
                    if (length % 8 == 4)
                        writer.AddChangeRequest(StunChange.None);
                    writer.AddSoftware(new byte[length]);
                    if (hasFingerprint)
                        writer.AddFingerprint();
                    var origins = new StunOrigins(Endpoint.Parse(server), IpAddress.Parse(other.Trim('[', ']')), 3479);
                    byte[] response = Answer(request[..writer.Length], Endpoint.Parse(source), origins, out _);
                    Assert.InRange(response.Length, 20 + more, Math.Min(writer.Length + more, StunServer.MaximumResponse));
                    // In packets, with the headers of IP and UDP.
                    int headers = more == 12 ? 28 : 48;
                    Assert.True((response.Length + headers) / (double)(writer.Length + headers) < 1.5);
                }
            }
        }
    }

    private int AnswersOf(int requests, Endpoint source) =>
        Enumerable.Range(0, requests).Count(_ => Answer(PlainRequest(), source).Length > 0);

    private byte[] Answer(byte[] request, Endpoint source) => _response[.._server.Answer(_now, request, source, _response)];

    private byte[] Answer(byte[] request, Endpoint source, StunOrigins origins, out Endpoint origin) =>
        _response[.._server.Answer(_now, request, source, origins, _response, out origin)];

    private static byte[] LongRequest(StunChange change)
    {
        byte[] request = new byte[68];
        var writer = new StunWriter(request, StunMessageType.BindingRequest, StunTransactionId.Read(StunVectors.TransactionId));
        writer.AddChangeRequest(change);
        writer.AddSoftware(new byte[36]);
        return request[..writer.Length];
    }

    private static byte[] PlainRequest() => [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, .. StunVectors.TransactionId];
}
