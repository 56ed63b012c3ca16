using System.Text;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Tests.Uapi;

public sealed class UapiAnswerTests
{
    private const string SecretHex = "e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a";
    private const string PeerHex = "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33";
    private const string OtherPeerHex = "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376";
    private const string PskHex = "188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52";
    private const string ZeroHex = "0000000000000000000000000000000000000000000000000000000000000000";

    [Fact]
    public void A_get_is_answered_with_the_keys_of_the_specification()
    {
        using DeviceStatus status = SomeStatus();
        using UapiAnswer answer = UapiAnswer.Get(status);

        Assert.Equal(
            $"""
            private_key={SecretHex}
            listen_port=12912
            fwmark=51
            public_key={PeerHex}
            preshared_key={PskHex}
            protocol_version=1
            endpoint=[abcd:23::33%2]:51820
            last_handshake_time_sec=1700000000
            last_handshake_time_nsec=123456700
            tx_bytes=38333
            rx_bytes=2224
            persistent_keepalive_interval=111
            allowed_ip=192.168.4.4/32
            allowed_ip=fd00::/64
            public_key={OtherPeerHex}
            preshared_key={ZeroHex}
            protocol_version=1
            last_handshake_time_sec=0
            last_handshake_time_nsec=0
            tx_bytes=0
            rx_bytes=0
            persistent_keepalive_interval=0
            errno=0


            """,
            Text(answer));
    }

    [Fact]
    public void An_unconfigured_device_has_nothing_to_show()
    {
        using var status = new DeviceStatus();
        using UapiAnswer answer = UapiAnswer.Get(status);
        Assert.Equal("errno=0\n\n", Text(answer));
    }

    [Fact]
    public void The_outcome_of_a_set_is_zero_or_a_negative_error_number()
    {
        using UapiAnswer done = UapiAnswer.Done(), failed = UapiAnswer.Done(new UapiError(UapiError.Invalid, "why"));
        Assert.Equal("errno=0\n\n", Text(done));
        Assert.Equal("errno=-22\n\n", Text(failed));
    }

    [Fact]
    public void Kedges_own_get_shows_more_but_no_secret()
    {
        using DeviceStatus status = SomeStatus();
        using UapiAnswer answer = UapiAnswer.KedgeGet(status);
        string text = Text(answer);

        Assert.DoesNotContain(SecretHex, text);
        Assert.DoesNotContain(PskHex, text);
        string[] lines = text.Split('\n');
        Assert.Contains($"own_public_key={OtherPeerHex}", lines);
        Assert.Contains("mtu=1420", lines);
        Assert.Contains("drop=NoRoute 12", lines);
        Assert.Contains("stun_server=192.0.2.9:3478\nreflexive_endpoint=203.0.113.9:51820\nstun_server=[2001:db8::9]:3478\nnat_mapping=endpoint-dependent\n", text, StringComparison.Ordinal);
        Assert.Contains("gauge=PacketThreads 2", lines);
        Assert.Contains("has_preshared_key=true", lines);
        Assert.Contains("path=waiting\npath_since_sec=1700000009\npath_rtt_usec=37\npath_mtu=1280\n", text, StringComparison.Ordinal);
        Assert.Contains("candidate=reflexive 198.51.100.7:41641 silent 7 0", lines);
        Assert.Contains("candidate=reflexive 198.51.100.7:41641 answered 3 2 1500", lines);
        using DeviceStatus read = UapiAnswerReader.Read(answer.Bytes.Span);
        Assert.Equal(status.Peers[0].Candidates, read.Peers[0].Candidates);
        Assert.Equal(1280, read.Peers[0].PathMtu);
    }

    [Fact]
    public void A_port_that_cannot_be_had_is_told_by_Kedges_own_get_alone()
    {
        using var status = new DeviceStatus { PortProblem = "UDP port 7 is in use by socat (process 12)" };
        using UapiAnswer get = UapiAnswer.Get(status), kedgeGet = UapiAnswer.KedgeGet(status);
        Assert.Equal("errno=0\n\n", Text(get));
        Assert.Equal("listen_port_problem=UDP port 7 is in use by socat (process 12)\nerrno=0\n\n", Text(kedgeGet));
        using DeviceStatus read = UapiAnswerReader.Read(kedgeGet.Bytes.Span);
        Assert.Equal(status.PortProblem, read.PortProblem);
    }

    [Fact]
    public void An_answer_is_read_back_as_it_was()
    {
        using DeviceStatus status = SomeStatus();
        using UapiAnswer get = UapiAnswer.Get(status), kedgeGet = UapiAnswer.KedgeGet(status);
        using DeviceStatus read = UapiAnswerReader.Read(get.Bytes.Span), kedgeRead = UapiAnswerReader.Read(kedgeGet.Bytes.Span);
        using UapiAnswer getAgain = UapiAnswer.Get(read), kedgeGetAgain = UapiAnswer.KedgeGet(kedgeRead);

        Assert.Equal(Text(get), Text(getAgain));
        Assert.Equal(Text(kedgeGet), Text(kedgeGetAgain));
    }

    [Theory]
    [InlineData("errno=-98\n\n", 98)]
    [InlineData("errno=22\n\n", 22)]
    [InlineData("", UapiError.Protocol)]
    [InlineData("listen_port=1\n", UapiError.Protocol)]
    [InlineData("listen_port=70000\nerrno=0\n\n", UapiError.Protocol)]
    [InlineData("public_key=00\nerrno=0\n\n", UapiError.Protocol)]
    [InlineData("drop=none\nerrno=0\n\n", UapiError.Protocol)]
    public void An_answer_that_is_an_error_or_none_at_all_is_refused(string answer, int errno)
    {
        UapiException e = Assert.Throws<UapiException>(() => UapiAnswerReader.Read(Encoding.ASCII.GetBytes(answer)));
        Assert.Equal(errno, e.Error.Errno);
    }

    [Fact]
    public void The_longest_values_fit()
    {
        using var status = new DeviceStatus
        {
            PrivateKey = Convert.FromHexString(SecretHex),
            PublicKey = PublicKey.FromBytes(Convert.FromHexString(PeerHex)),
            ListenPort = 65535,
            Fwmark = uint.MaxValue,
            Mtu = int.MaxValue,
        };
        status.Drops.Add(new NamedCount(new string('x', 100), long.MaxValue));
        var longest = new Endpoint(IpAddress.Parse("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"), 65535, uint.MaxValue);
        status.NatMapping = NatMapping.EndpointIndependent;
        for (int i = 0; i < StunClient.MaximumServers; i++)
            status.StunResults.Add(new StunResult(longest, longest));
        for (int i = 0; i < 50; i++)
        {
            var peer = new PeerStatus(PublicKey.FromBytes(Convert.FromHexString(PeerHex)))
            {
                PresharedKey = Convert.FromHexString(PskHex),
                Endpoint = longest,
                LastHandshake = DateTimeOffset.MaxValue,
                SentBytes = ulong.MaxValue,
                ReceivedBytes = ulong.MaxValue,
                PersistentKeepaliveInterval = 65535,
            };
            peer.PathState = PathState.Connecting;
            (peer.PathSince, peer.RoundTrip, peer.PathMtu) = (DateTimeOffset.MaxValue, TimeSpan.MaxValue, int.MaxValue);
            var seen = new PeerEndpoint(longest, PeerEndpointKind.Reflexive);
            for (int candidate = 0; candidate < 50; candidate++)
                peer.Candidates.Add(new CandidateStatus(seen, CandidateResult.Answered, int.MaxValue, int.MaxValue, TimeSpan.MaxValue));
            for (int prefix = 0; prefix < 50; prefix++)
                peer.AllowedIps.Add(new IpPrefix(IpAddress.Parse("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"), 128));
            status.Peers.Add(peer);
        }

        using UapiAnswer get = UapiAnswer.Get(status), kedgeGet = UapiAnswer.KedgeGet(status);
        Assert.EndsWith("allowed_ip=2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128\nerrno=0\n\n", Text(get), StringComparison.Ordinal);
        string last = $"candidate=reflexive {longest} answered 2147483647 2147483647 {(long)TimeSpan.MaxValue.TotalMicroseconds}";
        Assert.EndsWith($"{last}\nerrno=0\n\n", Text(kedgeGet), StringComparison.Ordinal);
    }

    [Fact]
    public void Secrets_are_zeroed_on_disposal()
    {
        DeviceStatus status = SomeStatus();
        UapiAnswer answer = UapiAnswer.Get(status);
        ReadOnlyMemory<byte> bytes = answer.Bytes;
        byte[] privateKey = status.PrivateKey!, psk = status.Peers[0].PresharedKey!;
        answer.Dispose();
        status.Dispose();
        Assert.True(bytes.Span.IndexOfAnyExcept((byte)0) < 0);
        Assert.Equal(new byte[32], privateKey);
        Assert.Equal(new byte[32], psk);
    }

    private static string Text(UapiAnswer answer) => Encoding.ASCII.GetString(answer.Bytes.Span);

    private static DeviceStatus SomeStatus()
    {
        var status = new DeviceStatus
        {
            PrivateKey = Convert.FromHexString(SecretHex),
            PublicKey = PublicKey.FromBytes(Convert.FromHexString(OtherPeerHex)),
            ListenPort = 12912,
            Fwmark = 51,
            Mtu = 1420,
        };
        status.Drops.Add(new NamedCount("NoRoute", 12));
        status.Gauges.Add(new NamedCount("PacketThreads", 2));
        status.StunResults.Add(new StunResult(Endpoint.Parse("192.0.2.9:3478"), Endpoint.Parse("203.0.113.9:51820")));
        status.StunResults.Add(new StunResult(Endpoint.Parse("[2001:db8::9]:3478"), default));
        status.NatMapping = NatMapping.EndpointDependent;
        var peer = new PeerStatus(PublicKey.FromBytes(Convert.FromHexString(PeerHex)))
        {
            PresharedKey = Convert.FromHexString(PskHex),
            Endpoint = Endpoint.Parse("[abcd:23::33%2]:51820"),
            LastHandshake = DateTimeOffset.FromUnixTimeSeconds(1700000000).AddTicks(1234567),
            SentBytes = 38333,
            ReceivedBytes = 2224,
            PersistentKeepaliveInterval = 111,
        };
        (peer.PathState, peer.PathSince, peer.RoundTrip) = (PathState.Waiting, DateTimeOffset.FromUnixTimeSeconds(1700000009), TimeSpan.FromMicroseconds(37));
        var seen = new PeerEndpoint(Endpoint.Parse("198.51.100.7:41641"), PeerEndpointKind.Reflexive);
        peer.PathMtu = 1280;
        peer.Candidates.Add(new CandidateStatus(seen, CandidateResult.Silent, Pings: 7, Pongs: 0, RoundTrip: null));
        peer.Candidates.Add(new CandidateStatus(seen, CandidateResult.Answered, Pings: 3, Pongs: 2, TimeSpan.FromMicroseconds(1500)));
        peer.AllowedIps.Add(IpPrefix.Parse("192.168.4.4/32"));
        peer.AllowedIps.Add(IpPrefix.Parse("fd00::/64"));
        status.Peers.Add(peer);
        status.Peers.Add(new PeerStatus(PublicKey.FromBytes(Convert.FromHexString(OtherPeerHex))));
        return status;
    }
}
