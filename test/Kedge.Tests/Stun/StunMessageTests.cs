using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;

namespace Kedge.Tests.Stun;

public sealed class StunMessageTests
{
    [Fact]
    public void The_IPv4_response_of_RFC_5769_is_read() => Reads(StunVectors.IPv4Response, "192.0.2.1:32853");

    [Fact]
    public void The_IPv6_response_of_RFC_5769_is_read() =>
        Reads(StunVectors.IPv6Response, "[2001:db8:1234:5678:11:2233:4455:6677]:32853");

    [Fact]
    public void The_request_of_RFC_5769_is_read()
    {
        Assert.True(StunMessage.TryParse(StunVectors.Request, out StunMessage message));
        Assert.Equal(StunMessageType.BindingRequest, message.Type);
        List<(int Type, int Length)> attributes = [];
        foreach (StunMessage.Attribute attribute in message)
            attributes.Add(((int)attribute.Type, attribute.Value.Length));
        Assert.Equal([(0x8022, 16), (0x0024, 4), (0x8029, 8), (0x0006, 9), (0x0008, 20), (0x8028, 4)], attributes);
    }

    [Fact]
    public void What_is_written_is_what_RFC_5769_has_but_for_its_software_and_integrity()
    {
        byte[] buffer = new byte[64];
        var writer = new StunWriter(buffer, StunMessageType.BindingSuccess, StunTransactionId.Read(StunVectors.TransactionId));
        writer.AddXorMappedAddress(Endpoint.Parse("192.0.2.1:32853"));
        Assert.Equal(StunVectors.IPv4Response[36..48], buffer[20..32]);
        Assert.Equal(StunVectors.IPv4Response[4..20], buffer[4..20]);
        Assert.Equal(32, writer.Length);
    }

    [Theory]
    [InlineData(0, 0x40)] // the first two bits
    [InlineData(3, 0x01)] // the length
    [InlineData(4, 0x01)] // the cookie
    [InlineData(21, 0x01)] // a value under the fingerprint
    [InlineData(79, 0x01)] // the fingerprint
    public void One_bit_spoils_a_message(int index, byte bit)
    {
        byte[] spoilt = [.. StunVectors.IPv4Response];
        spoilt[index] ^= bit;
        Assert.False(StunMessage.TryParse(spoilt, out _));
    }

    [Fact]
    public void A_message_that_is_cut_is_none()
    {
        for (int length = 0; length < StunVectors.IPv4Response.Length; length++)
            Assert.False(StunMessage.TryParse(StunVectors.IPv4Response.AsSpan(0, length), out _));
    }

    [Fact]
    public void A_fingerprint_that_is_not_last_spoils_a_message()
    {
        byte[] buffer = new byte[64];
        var writer = new StunWriter(buffer, StunMessageType.BindingRequest, default);
        writer.AddFingerprint();
        Assert.True(StunMessage.TryParse(buffer.AsSpan(0, writer.Length), out _));
        writer.AddErrorCode(420);
        Assert.False(StunMessage.TryParse(buffer.AsSpan(0, writer.Length), out _));
    }

    [Theory]
    [InlineData("000100080001 8055 c0000201", "192.0.2.1:32853")] // MAPPED-ADDRESS
    [InlineData("0001000800ff 8055 c0000201", null)] // no family
    [InlineData("000100080002 8055 c0000201", null)] // a family of another length
    [InlineData("000100080001 0000 c0000201", null)] // no port
    [InlineData("000100080001 8055 00000000", null)] // no address
    [InlineData("000100080001 8055 e0000001", null)] // multicast
    [InlineData("00010000", null)]
    public void A_mapped_address_is_read_or_refused(string attribute, string? expected)
    {
        byte[] value = Convert.FromHexString(attribute.Replace(" ", "", StringComparison.Ordinal));
        byte[] message = [1, 1, 0, (byte)value.Length, 0x21, 0x12, 0xA4, 0x42, .. new byte[12], .. value];
        Assert.True(StunMessage.TryParse(message, out StunMessage read));
        Assert.Equal(expected is not null, read.TryReadMappedAddress(out Endpoint endpoint));
        if (expected is not null)
            Assert.Equal(Endpoint.Parse(expected), endpoint);
    }

    private static void Reads(byte[] response, string expected)
    {
        Assert.True(StunMessage.TryParse(response, out StunMessage message));
        Assert.Equal(StunMessageType.BindingSuccess, message.Type);
        Assert.Equal(StunTransactionId.Read(StunVectors.TransactionId), message.TransactionId);
        Assert.True(message.TryReadMappedAddress(out Endpoint endpoint));
        Assert.Equal(Endpoint.Parse(expected), endpoint);
    }
}
