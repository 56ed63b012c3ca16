using System.Text;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Tests.Uapi;

public sealed class UapiReaderTests
{
    private const string SomeKey = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";
    private const string OtherKey = "FF02030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F20";
    private const string NoKey = "0000000000000000000000000000000000000000000000000000000000000000";

    private const string WholeRequest =
        $"set=1\nprivate_key={SomeKey}\nlisten_port=51820\nfwmark=4294967295\nreplace_peers=true\n"
        + $"public_key={SomeKey}\nupdate_only=true\npreshared_key={OtherKey}\nendpoint=192.0.2.1:51821\npersistent_keepalive_interval=25\n"
        + "replace_allowed_ips=true\nallowed_ip=10.0.0.0/8\nallowed_ip=-10.1.0.0/16\nallowed_ip=fd00::/64\nprotocol_version=1\n"
        + $"public_key={OtherKey}\nremove=true\n\n";

    [Fact]
    public void Every_key_of_a_set_request_is_read()
    {
        using DeviceChange change = ReadSet(WholeRequest);

        Assert.Equal(Convert.FromHexString(SomeKey), change.PrivateKey);
        Assert.Equal((ushort)51820, change.ListenPort);
        Assert.Equal(4294967295, change.Fwmark);
        Assert.True(change.ReplacePeers);
        Assert.Equal(2, change.Peers.Count);

        PeerChange first = change.Peers[0];
        Assert.Equal(PublicKey.FromBytes(Convert.FromHexString(SomeKey)), first.PublicKey);
        Assert.True(first.UpdateOnly);
        Assert.False(first.Remove);
        Assert.Equal(Convert.FromHexString(OtherKey), first.PresharedKey);
        Assert.Equal(Endpoint.Parse("192.0.2.1:51821"), first.Endpoint);
        Assert.Equal((ushort)25, first.PersistentKeepaliveInterval);
        Assert.True(first.ReplaceAllowedIps);
        Assert.Equal(
            [
                new AllowedIpChange(IpPrefix.Parse("10.0.0.0/8"), Remove: false),
                new AllowedIpChange(IpPrefix.Parse("10.1.0.0/16"), Remove: true),
                new AllowedIpChange(IpPrefix.Parse("fd00::/64"), Remove: false),
            ],
            first.AllowedIps);

        Assert.Equal(PublicKey.FromBytes(Convert.FromHexString(OtherKey)), change.Peers[1].PublicKey);
        Assert.True(change.Peers[1].Remove);
    }

    [Fact]
    public void Kedges_own_keys_are_read()
    {
        using DeviceChange change = ReadSet(
            "set=1\nstun_server=192.0.2.9:1\nreplace_stun_servers=true\nstun_server=192.0.2.1:3478\nstun_server=[2001:db8::1]:3478\n\n");

        Assert.True(change.ReplaceStunServers);
        Assert.Equal([Endpoint.Parse("192.0.2.1:3478"), Endpoint.Parse("[2001:db8::1]:3478")], change.StunServers);
    }

    [Theory]
    [InlineData("stun_server=192.0.2.1")]
    [InlineData("stun_server=192.0.2.1:0")]
    [InlineData("stun_server=224.0.0.1:3478")]
    [InlineData("stun_server=stun.example.net:3478")]
    [InlineData("replace_stun_servers=yes")]
    public void A_value_that_one_of_Kedges_own_keys_cannot_have_is_refused(string line)
    {
        using var reader = new UapiReader(_ => 0);
        Assert.Equal(UapiEvent.Error, reader.Read(Encoding.ASCII.GetBytes($"set=1\n{line}\n\n"), out _));
        Assert.Contains(line, reader.Error!.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_not_mentioned_is_not_changed()
    {
        using DeviceChange change = ReadSet($"set=1\npublic_key={SomeKey}\n\n");

        Assert.Null(change.PrivateKey);
        Assert.Null(change.ListenPort);
        Assert.Null(change.Fwmark);
        Assert.False(change.ReplacePeers);
        PeerChange peer = Assert.Single(change.Peers);
        Assert.Null(peer.PresharedKey);
        Assert.Null(peer.Endpoint);
        Assert.Null(peer.PersistentKeepaliveInterval);
        Assert.False(peer.Remove || peer.UpdateOnly || peer.ReplaceAllowedIps);
        Assert.Empty(peer.AllowedIps);
    }

    [Fact]
    public void An_empty_set_request_changes_nothing_and_is_no_error()
    {
        using DeviceChange change = ReadSet("set=1\n\n");
        Assert.Empty(change.Peers);
    }

    [Fact]
    public void A_key_of_zeros_is_kept_apart_from_no_key()
    {
        using DeviceChange change = ReadSet($"set=1\nprivate_key={NoKey}\npublic_key={SomeKey}\npreshared_key={NoKey}\n\n");
        Assert.Equal(new byte[32], change.PrivateKey);
        Assert.Equal(new byte[32], change.Peers[0].PresharedKey);
    }

    [Fact]
    public void The_last_of_two_values_counts()
    {
        using DeviceChange change = ReadSet(
            $"set=1\nlisten_port=1\nlisten_port=2\npublic_key={SomeKey}\nendpoint=192.0.2.1:1\nendpoint=192.0.2.2:2\n\n");
        Assert.Equal((ushort)2, change.ListenPort);
        Assert.Equal(Endpoint.Parse("192.0.2.2:2"), change.Peers[0].Endpoint);
    }

    [Fact]
    public void Replacing_the_allowed_ips_forgets_those_that_stood_before_it()
    {
        using DeviceChange change = ReadSet(
            $"set=1\npublic_key={SomeKey}\nallowed_ip=10.0.0.0/8\nreplace_allowed_ips=true\nallowed_ip=10.2.0.0/16\n\n");
        Assert.Equal([new AllowedIpChange(IpPrefix.Parse("10.2.0.0/16"), Remove: false)], change.Peers[0].AllowedIps);
    }

    [Fact]
    public void The_same_peer_twice_is_two_changes_in_order()
    {
        using DeviceChange change = ReadSet($"set=1\npublic_key={SomeKey}\nremove=true\npublic_key={SomeKey}\nallowed_ip=::/0\n\n");
        Assert.Equal([true, false], change.Peers.Select(peer => peer.Remove));
    }

    [Fact]
    public void Bits_after_a_prefix_are_cleared()
    {
        using DeviceChange change = ReadSet($"set=1\npublic_key={SomeKey}\nallowed_ip=10.1.2.3/8\n\n");
        Assert.Equal("10.0.0.0/8", change.Peers[0].AllowedIps[0].Prefix.ToString());
    }

    [Theory]
    [InlineData("[2001:db8::1]:51820", "[2001:db8::1]:51820")]
    [InlineData("[fe80::1%7]:51820", "[fe80::1%7]:51820")]
    [InlineData("[fe80::1%eth9]:51820", "[fe80::1%9]:51820")]
    public void The_scope_of_an_endpoint_is_a_number_or_the_name_of_an_interface(string sent, string read)
    {
        using DeviceChange change = ReadSet($"set=1\npublic_key={SomeKey}\nendpoint={sent}\n\n");
        Assert.Equal(Endpoint.Parse(read), change.Peers[0].Endpoint);
    }

    [Theory]
    [InlineData("private_key=")]
    [InlineData("private_key=0102")]
    [InlineData($"private_key={SomeKey}00")]
    [InlineData("private_key=zz02030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20")]
    [InlineData("listen_port=")]
    [InlineData("listen_port=65536")]
    [InlineData("listen_port=-1")]
    [InlineData("listen_port=+1")]
    [InlineData("listen_port= 1")]
    [InlineData("listen_port=0x10")]
    [InlineData("listen_port=99999999999999999999999999999999")]
    [InlineData("fwmark=4294967296")]
    [InlineData("fwmark=off")]
    [InlineData("replace_peers=false")]
    [InlineData("replace_peers=")]
    [InlineData("protocol_version=1")]
    [InlineData("preshared_key=" + SomeKey)]
    [InlineData("allowed_ip=10.0.0.0/8")]
    [InlineData("nonsense=1")]
    [InlineData("=1")]
    [InlineData("public_key=")]
    [InlineData("public_key=01")]
    public void A_bad_line_of_the_device_is_an_invalid_argument(string line) => AssertInvalid($"set=1\n{line}\n");

    [Theory]
    [InlineData("private_key=" + SomeKey)]
    [InlineData("listen_port=1")]
    [InlineData("fwmark=1")]
    [InlineData("replace_peers=true")]
    [InlineData("remove=false")]
    [InlineData("update_only=1")]
    [InlineData("replace_allowed_ips=")]
    [InlineData("preshared_key=00")]
    [InlineData("protocol_version=2")]
    [InlineData("protocol_version=")]
    [InlineData("persistent_keepalive_interval=65536")]
    [InlineData("persistent_keepalive_interval=off")]
    [InlineData("endpoint=")]
    [InlineData("endpoint=192.0.2.1")]
    [InlineData("endpoint=192.0.2.1:65536")]
    [InlineData("endpoint=example.net:51820")]
    [InlineData("endpoint=2001:db8::1:51820")]
    [InlineData("endpoint=[192.0.2.1]:51820")]
    [InlineData("endpoint=192.0.2.1%3:51820")]
    [InlineData("endpoint=[192.0.2.1%3]:51820")]
    [InlineData("endpoint=[fe80::1%none]:51820")]
    [InlineData("endpoint=[fe80::1%]:51820")]
    [InlineData("allowed_ip=")]
    [InlineData("allowed_ip=-")]
    [InlineData("allowed_ip=/")]
    [InlineData("allowed_ip=10.0.0.0")]
    [InlineData("allowed_ip=10.0.0.0/33")]
    [InlineData("allowed_ip=10.0.0/8")]
    [InlineData("allowed_ip=--10.0.0.0/8")]
    [InlineData("allowed_ip=fd00::/129")]
    [InlineData("allowed_ip=fe80::1%3/64")]
    [InlineData("rx_bytes=1")]
    [InlineData("last_handshake_time_sec=1")]
    [InlineData("nonsense=1")]
    public void A_bad_line_of_a_peer_is_an_invalid_argument(string line) => AssertInvalid($"set=1\npublic_key={OtherKey}\n{line}\n");

    [Theory]
    [InlineData("set=2\n")]
    [InlineData("get=2\n")]
    [InlineData("get\n")]
    [InlineData("\n")]
    [InlineData("GET / HTTP/1.1\r\n")]
    [InlineData("set=1\nlisten_port\n")]
    [InlineData("set=1\nlisten_port=1\0\n")]
    [InlineData("set=1\nlisten_port=1\r\n")]
    [InlineData("set=1\nlisten_port=\u00fc\n")]
    public void What_is_not_the_protocol_ends_the_connection(string junk)
    {
        using UapiReader reader = NewReader();
        List<UapiEvent> events = ReadAll(reader, junk + "\nget=1\n\n");
        Assert.Equal([UapiEvent.Violation], events);
        Assert.Equal(UapiError.Protocol, reader.Error!.Errno);
    }

    [Fact]
    public void The_requests_after_a_bad_one_are_read()
    {
        using UapiReader reader = NewReader();
        string text = "set=1\nlisten_port=x\nlisten_port=1\n\nget=1\n\nget=1\nx=y\n\nkedge_get=1\n\nset=1\nlisten_port=7\n\n";
        Assert.Equal([UapiEvent.Error, UapiEvent.Get, UapiEvent.Error, UapiEvent.KedgeGet, UapiEvent.Set], ReadAll(reader, text));
        using DeviceChange change = reader.TakeChange();
        Assert.Equal((ushort)7, change.ListenPort);
    }

    [Fact]
    public void A_request_may_be_cut_anywhere()
    {
        byte[] bytes = Encoding.ASCII.GetBytes(WholeRequest);
        for (int cut = 0; cut <= bytes.Length; cut++)
        {
            using UapiReader reader = NewReader();
            Assert.Equal(cut == bytes.Length ? UapiEvent.Set : UapiEvent.None, reader.Read(bytes.AsSpan(0, cut), out int consumed));
            Assert.Equal(cut, consumed);
            Assert.Equal(cut is not 0 && cut != bytes.Length, reader.IsInsideRequest);
            if (cut == bytes.Length)
                break;
            Assert.Equal(UapiEvent.Set, reader.Read(bytes.AsSpan(cut), out consumed));
            Assert.Equal(bytes.Length - cut, consumed);
            using DeviceChange change = reader.TakeChange();
            Assert.Equal(Convert.FromHexString(SomeKey), change.PrivateKey);
            Assert.Equal(3, change.Peers[0].AllowedIps.Count);
            Assert.True(change.Peers[1].Remove);
        }
    }

    [Fact]
    public void Half_a_request_is_no_request()
    {
        using UapiReader reader = NewReader();
        Assert.Empty(ReadAll(reader, WholeRequest[..^1]));
        Assert.True(reader.HeldBytes > 0);
        Assert.Throws<InvalidOperationException>(reader.TakeChange);
    }

    [Fact]
    public void A_line_may_have_2560_bytes_and_no_more()
    {
        using UapiReader longest = NewReader();
        Assert.Equal([UapiEvent.Error], ReadAll(longest, $"set=1\n{new string('x', UapiReader.MaximumLineLength - 2)}=1\n"));
        Assert.Equal(UapiError.Invalid, longest.Error!.Errno);

        using UapiReader tooLong = NewReader();
        Assert.Equal([UapiEvent.Violation], ReadAll(tooLong, "set=1\n" + new string('x', UapiReader.MaximumLineLength + 1)));
        Assert.Equal(UapiError.Protocol, tooLong.Error!.Errno);
    }

    [Fact]
    public void A_request_without_end_is_given_up_at_the_limit()
    {
        using UapiReader reader = NewReader();
        byte[] line = "fwmark=1\n"u8.ToArray();
        Assert.Equal(UapiEvent.None, reader.Read("set=1\n"u8, out _));
        int sent = 6;
        while (reader.Read(line, out _) == UapiEvent.None)
            sent += line.Length;
        Assert.Equal(UapiError.TooLong, reader.Error!.Errno);
        Assert.InRange(sent, UapiReader.MaximumRequestLength - line.Length, UapiReader.MaximumRequestLength);
    }

    [Fact]
    public void A_thousand_peers_with_fifty_prefixes_each_fit()
    {
        var text = new StringBuilder("set=1\nreplace_peers=true\n");
        for (int peer = 0; peer < 1000; peer++)
        {
            text.Append($"public_key={peer:x64}\npreshared_key={SomeKey}\nendpoint=[2001:db8::{peer:x}]:51820\n");
            for (int prefix = 0; prefix < 50; prefix++)
                text.Append($"allowed_ip=2001:db8:{peer:x}:{prefix:x}:ffff:ffff:ffff:ffff/128\n");
        }
        using DeviceChange change = ReadSet(text.Append('\n').ToString());
        Assert.Equal(1000, change.Peers.Count);
        Assert.All(change.Peers, peer => Assert.Equal(50, peer.AllowedIps.Count));
    }

    [Theory]
    [InlineData("private_key")]
    [InlineData("privat_key")]
    [InlineData("preshared_key")]
    [InlineData("pressed")]
    public void No_error_repeats_what_may_be_a_secret(string key)
    {
        using UapiReader reader = NewReader();
        Assert.Equal([UapiEvent.Error], ReadAll(reader, $"set=1\n{key}={SomeKey}77\n"));
        Assert.DoesNotContain("0102", reader.Error!.Reason);
        Assert.Contains(key, reader.Error.Reason);
    }

    [Fact]
    public void The_secrets_of_a_change_are_zeroed_with_it()
    {
        DeviceChange change = ReadSet(WholeRequest);
        byte[] privateKey = change.PrivateKey!, presharedKey = change.Peers[0].PresharedKey!;
        change.Dispose();
        Assert.Equal(new byte[32], privateKey);
        Assert.Equal(new byte[32], presharedKey);
    }

    [Fact]
    public void Junk_never_becomes_a_change_and_never_throws()
    {
        int seed = Environment.TickCount;
        var random = new Random(seed);
        byte[] valid = Encoding.ASCII.GetBytes(WholeRequest);
        for (int run = 0; run < 2000; run++)
        {
            byte[] bytes = run % 2 == 0 ? [.. valid] : new byte[random.Next(600)];
            if (run % 2 != 0)
                random.NextBytes(bytes);
            // The first line stays, or nearly all runs would end there; a byte that is not printable makes the rest bad for sure.
            "set=1\n"u8.CopyTo(bytes.Length >= 6 ? bytes : bytes = new byte[6]);
            bytes = [.. bytes[..^1], (byte)random.Next(128, 256), (byte)'\n', (byte)'\n'];
            using UapiReader reader = NewReader();
            var events = new List<UapiEvent>();
            for (int at = 0; at < bytes.Length;)
            {
                int chunk = Math.Min(random.Next(1, 64), bytes.Length - at);
                events.Add(reader.Read(bytes.AsSpan(at, chunk), out int consumed));
                at += consumed;
            }
            if (run % 2 == 0)
                Assert.True(events.FindAll(found => found != UapiEvent.None) is [UapiEvent.Violation], $"seed {seed}, run {run}");
        }
    }

    private static UapiReader NewReader() => new(name => name == "eth9" ? 9u : 0);

    private static DeviceChange ReadSet(string text)
    {
        using UapiReader reader = NewReader();
        Assert.Equal([UapiEvent.Set], ReadAll(reader, text));
        return reader.TakeChange();
    }

    private static void AssertInvalid(string text)
    {
        using UapiReader reader = NewReader();
        Assert.Equal([UapiEvent.Error], ReadAll(reader, text + "\n"));
        Assert.Equal(UapiError.Invalid, reader.Error!.Errno);
        Assert.Equal(0, reader.HeldBytes);
    }

    private static List<UapiEvent> ReadAll(UapiReader reader, string text)
    {
        var events = new List<UapiEvent>();
        byte[] bytes = Encoding.Latin1.GetBytes(text);
        for (int at = 0; at < bytes.Length;)
        {
            UapiEvent found = reader.Read(bytes.AsSpan(at), out int consumed);
            at += consumed;
            if (found != UapiEvent.None)
                events.Add(found);
            if (found == UapiEvent.Violation)
                break;
        }
        return events;
    }
}
