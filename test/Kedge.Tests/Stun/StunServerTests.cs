using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Kedge.Protocol.Stun;

namespace Kedge.Tests.Stun;

public sealed class StunServerTests
{
    private static readonly Endpoint Source = Endpoint.Parse("192.0.2.1:32853");

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

    private int AnswersOf(int requests, Endpoint source) =>
        Enumerable.Range(0, requests).Count(_ => Answer(PlainRequest(), source).Length > 0);

    private byte[] Answer(byte[] request, Endpoint source) => _response[.._server.Answer(_now, request, source, _response)];

    private static byte[] PlainRequest() => [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, .. StunVectors.TransactionId];
}
