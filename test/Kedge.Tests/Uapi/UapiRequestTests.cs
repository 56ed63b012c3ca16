using System.Text;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Tests.Uapi;

public class UapiRequestTests
{
    private static readonly PublicKey Key = PublicKey.FromBytes([.. Enumerable.Range(1, 32).Select(n => (byte)n)]);

    [Fact]
    public void A_request_is_written_as_the_cross_platform_document_has_it()
    {
        using var change = new DeviceChange { PrivateKey = [.. Enumerable.Repeat((byte)0xe8, 32)], ListenPort = 12912, Fwmark = 7, ReplacePeers = true, ReplaceStunServers = true };
        change.StunServers.Add(Endpoint.Parse("192.0.2.7:3478"));
        change.Peers.Add(new PeerChange(Key)
        {
            PresharedKey = [.. Enumerable.Repeat((byte)0x18, 32)],
            Endpoint = Endpoint.Parse("[abcd:23::33%2]:51820"),
            PersistentKeepaliveInterval = 25,
            ReplaceAllowedIps = true,
            UpdateOnly = true,
        });
        change.Peers[0].AllowedIps.Add(new AllowedIpChange(IpPrefix.Parse("192.168.4.4/32"), Remove: false));
        change.Peers[0].AllowedIps.Add(new AllowedIpChange(IpPrefix.Parse("fd00::/64"), Remove: true));
        change.Peers.Add(new PeerChange(Key) { Remove = true });

        using UapiRequest request = UapiRequest.Set(change);

        string key = Convert.ToHexStringLower(Key.ToArray());
        Assert.Equal(
            $"""
            set=1
            private_key={string.Concat(Enumerable.Repeat("e8", 32))}
            listen_port=12912
            fwmark=7
            replace_stun_servers=true
            stun_server=192.0.2.7:3478
            replace_peers=true
            public_key={key}
            update_only=true
            preshared_key={string.Concat(Enumerable.Repeat("18", 32))}
            endpoint=[abcd:23::33%2]:51820
            persistent_keepalive_interval=25
            replace_allowed_ips=true
            allowed_ip=192.168.4.4/32
            allowed_ip=-fd00::/64
            public_key={key}
            remove=true


            """.ReplaceLineEndings("\n"),
            Encoding.ASCII.GetString(request.Bytes.Span));
    }

    [Fact]
    public void The_reader_reads_the_longest_values_there_are()
    {
        using var change = new DeviceChange { ListenPort = ushort.MaxValue, Fwmark = uint.MaxValue };
        for (int number = 0; number < 300; number++)
        {
            var peer = new PeerChange(Key)
            {
                Endpoint = Endpoint.Parse("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535"),
                PersistentKeepaliveInterval = ushort.MaxValue,
                ReplaceAllowedIps = true,
            };
            for (int prefix = 0; prefix < 50; prefix++)
                peer.AllowedIps.Add(new AllowedIpChange(IpPrefix.Parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"), Remove: true));
            change.Peers.Add(peer);
        }
        using UapiRequest request = UapiRequest.Set(change);
        using var reader = new UapiReader(_ => 0);

        Assert.Equal(UapiEvent.Set, reader.Read(request.Bytes.Span, out int consumed));
        using DeviceChange read = reader.TakeChange();

        Assert.Equal(request.Bytes.Length, consumed);
        Assert.Equal((change.ListenPort, change.Fwmark, change.Peers.Count), (read.ListenPort, read.Fwmark, read.Peers.Count));
        Assert.All(read.Peers.Zip(change.Peers), pair =>
        {
            Assert.Equal((pair.Second.PublicKey, pair.Second.Endpoint), (pair.First.PublicKey, pair.First.Endpoint));
            Assert.Equal(pair.Second.AllowedIps, pair.First.AllowedIps);
        });
    }

    [Fact]
    public void What_is_asked_in_a_network_without_a_controller_is_read_as_it_was_written()
    {
        byte[] longest = [.. Enumerable.Range(0, 1200).Select(i => (byte)i)];
        using var change = new DeviceChange { NotFound = { IpAddress.Parse("10.7.0.9"), IpAddress.Parse("fd00::9") } };
        change.Peers.Add(new PeerChange(Key) { UpdateOnly = true, Connect = true, Knock = true });
        for (int i = 0; i < PeerChange.MostFrames; i++)
            change.Peers[0].Frames.Add(longest);
        using UapiRequest request = UapiRequest.Set(change);
        using var reader = new UapiReader(_ => 0);

        Assert.Equal(UapiEvent.Set, reader.Read(request.Bytes.Span, out _));
        using DeviceChange read = reader.TakeChange();

        Assert.Equal(change.NotFound, read.NotFound);
        PeerChange peer = Assert.Single(read.Peers);
        Assert.True(peer is { UpdateOnly: true, Connect: true, Knock: true });
        Assert.Equal(change.Peers[0].Frames, peer.Frames);
    }

    [Theory]
    [InlineData("not_found=10.7.0")]
    [InlineData("connect=true")]
    [InlineData("public_key=KEY\nconnect=false")]
    [InlineData("public_key=KEY\nknock=false")]
    [InlineData("public_key=KEY\nframe=")]
    [InlineData("public_key=KEY\nframe=0")]
    [InlineData("public_key=KEY\nframe=0x")]
    public void Nonsense_about_such_a_network_is_refused(string lines)
    {
        using var reader = new UapiReader(_ => 0);
        byte[] request = Encoding.ASCII.GetBytes($"set=1\n{lines.Replace("KEY", Convert.ToHexStringLower(Key.ToArray()), StringComparison.Ordinal)}\n\n");

        Assert.Equal(UapiEvent.Error, reader.Read(request, out _));
    }

    [Fact]
    public void Its_bytes_are_zeroed_with_it()
    {
        using var change = new DeviceChange { PrivateKey = [.. Enumerable.Repeat((byte)0xe8, 32)] };
        UapiRequest request = UapiRequest.Set(change);
        ReadOnlyMemory<byte> bytes = request.Bytes;

        request.Dispose();

        Assert.False(bytes.Span.ContainsAnyExcept((byte)0));
    }
}
