using System.Text;
using Kedge.Demo;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.SystemTests.Wg;

public sealed class UapiServerTests : IDisposable
{
    private const string SomeKey = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";

    private readonly UapiFixture _server = new();

    [Fact]
    public void A_connection_carries_as_many_requests_as_its_client_likes()
    {
        using UapiClient client = UapiClient.Connect(_server.Path);
        client.Send("set=1\nlisten_port=7\n\nget=1\n");
        Assert.Equal("errno=0\n\n", client.ReadAnswer());
        client.Send("\nkedge_get=1\n\n");
        Assert.Equal("listen_port=7\nerrno=0\n\n", client.ReadAnswer());
        Assert.Equal("listen_port=7\nerrno=0\n\n", client.ReadAnswer());
    }

    [Fact]
    public void A_bad_request_changes_nothing_and_the_next_one_is_served()
    {
        using UapiClient client = UapiClient.Connect(_server.Path);
        client.Send($"set=1\nlisten_port=7\npublic_key={SomeKey}\nallowed_ip=10.0.0.0/99\n");
        Assert.Equal("errno=-22\n\n", client.ReadAnswer());
        client.Send("remove=true\n\nset=1\nfwmark=1\n\n");
        Assert.Equal("errno=0\n\n", client.ReadAnswer());
        Assert.Equal((0, 0, 1), (_server.Device.ListenPort, _server.Device.PeerCount, _server.Device.Changes));
    }

    [Fact]
    public void Half_a_request_changes_nothing()
    {
        using (UapiClient client = UapiClient.Connect(_server.Path))
        {
            client.Send("set=1\nlisten_port=7\n");
            client.EndSending();
            Assert.Equal("", client.ReadAnswer());
        }
        Assert.Equal("errno=0\n\n", UapiClient.Ask(_server.Path, "get=1\n\n"));
        Assert.Equal(0, _server.Device.Changes);
    }

    [Fact]
    public void A_request_that_comes_byte_by_byte_is_served()
    {
        using UapiClient client = UapiClient.Connect(_server.Path);
        foreach (byte one in Encoding.ASCII.GetBytes($"set=1\npublic_key={SomeKey}\nallowed_ip=10.0.0.0/8\n\n"))
            client.Send([one]);
        Assert.Equal("errno=0\n\n", client.ReadAnswer());
        Assert.Equal(1, _server.Device.PeerCount);
    }

    [Fact]
    public void What_is_not_the_protocol_is_answered_once_and_the_connection_closed()
    {
        using UapiClient client = UapiClient.Connect(_server.Path);
        client.Send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\nget=1\n\n");
        Assert.Equal("errno=-71\n\n", client.ReadAnswer());
        Assert.True(client.IsClosedByServer());
    }

    [Fact]
    public void What_the_device_refuses_is_told_with_its_error_number()
    {
        _server.Device.NextFailure = new UapiException(UapiError.AddressInUse, "The port is taken.");
        Assert.Equal("errno=-98\n\n", UapiClient.Ask(_server.Path, "set=1\nlisten_port=7\n\n"));
    }

    [Fact]
    public void A_device_that_is_ending_is_no_device()
    {
        _server.Device.NextFailure = new ObjectDisposedException("device");
        Assert.Equal("errno=-19\n\n", UapiClient.Ask(_server.Path, "set=1\nlisten_port=7\n\n"));
    }

    [Fact]
    public void A_request_that_stands_still_is_given_up_while_an_idle_connection_stays()
    {
        using UapiClient halfway = UapiClient.Connect(_server.Path), idle = UapiClient.Connect(_server.Path);
        halfway.Send("set=1\nlisten_port=7\n");
        Assert.True(halfway.IsClosedByServer()); // after 10 s
        idle.Send("get=1\n\n");
        Assert.Equal("errno=0\n\n", idle.ReadAnswer());
    }

    [Fact]
    public void A_defect_of_the_device_is_an_error_of_that_request_alone()
    {
        _server.Device.NextFailure = new InvalidOperationException("A defect.");
        using UapiClient client = UapiClient.Connect(_server.Path);
        client.Send("set=1\nlisten_port=7\n\n");
        Assert.Equal("errno=-5\n\n", client.ReadAnswer());
        client.Send("set=1\nlisten_port=8\n\n");
        Assert.Equal("errno=0\n\n", client.ReadAnswer());
        Assert.Equal(8, _server.Device.ListenPort);
    }

    [Fact]
    public void A_thousand_peers_with_fifty_prefixes_each_are_set_and_shown()
    {
        var request = new StringBuilder("set=1\nreplace_peers=true\n");
        for (int peer = 0; peer < 1000; peer++)
        {
            request.Append($"public_key={peer:x64}\n");
            for (int prefix = 0; prefix < 50; prefix++)
                request.Append($"allowed_ip=2001:db8:{peer:x}:{prefix:x}:ffff:ffff:ffff:ffff/128\n");
        }
        Assert.Equal("errno=0\n\n", UapiClient.Ask(_server.Path, request.Append('\n').ToString()));
        using DeviceStatus status = UapiAnswerReader.Read(Encoding.ASCII.GetBytes(UapiClient.Ask(_server.Path, "get=1\n\n")));
        Assert.Equal(1000, status.Peers.Count);
        Assert.All(status.Peers, peer => Assert.Equal(50, peer.AllowedIps.Count));
    }

    [Fact]
    public void Thirty_thousand_peers_are_set_at_once_and_shown_to_many_who_ask_at_once()
    {
        const int Peers = 30_000, Askers = 8;
        var request = new StringBuilder("set=1\nreplace_peers=true\n");
        for (int peer = 0; peer < Peers; peer++)
            request.Append($"public_key={peer:x64}\nallowed_ip=2001:db8::{peer:x}/128\n");
        Assert.Equal("errno=0\n\n", UapiClient.Ask(_server.Path, request.Append('\n').ToString()));

        string[] answers = new string[Askers];
        Parallel.For(0, Askers, new ParallelOptions { MaxDegreeOfParallelism = Askers }, i => answers[i] = UapiClient.Ask(_server.Path, "get=1\n\n"));

        Assert.All(answers, answer => Assert.EndsWith("errno=0\n\n", answer, StringComparison.Ordinal));
        Assert.Equal(Peers, answers[0].Split("public_key=").Length - 1);
    }

    [Fact]
    public void A_stranger_is_not_served_even_where_the_file_lets_it_in()
    {
        using var server = new UapiFixture(whereWgLooks: true);
        File.SetUnixFileMode(server.Path, (UnixFileMode)0b110_110_110);
        var asNobody = new Command("setpriv", "--reuid=65534", "--clear-groups", "wg", "show", server.InterfaceName);
        using RunningProcess wg = RunningProcess.Start(asNobody);
        CommandResult refused = wg.WaitForExit(TimeSpan.FromSeconds(10));
        Assert.False(refused.Succeeded);
        Assert.Equal("", refused.Output);
        Assert.True(UapiFixture.Wg("show", server.InterfaceName).Succeeded);
    }

    [Fact]
    public void Whoever_is_connected_when_the_server_ends_is_disconnected()
    {
        using UapiClient idle = UapiClient.Connect(_server.Path), halfway = UapiClient.Connect(_server.Path);
        halfway.Send("set=1\n");
        Assert.Equal("errno=0\n\n", UapiClient.Ask(_server.Path, "get=1\n\n"));
        _server.Dispose();
        Assert.True(idle.IsClosedByServer());
        Assert.True(halfway.IsClosedByServer());
        Assert.False(File.Exists(_server.Path));
    }

    public void Dispose() => _server.Dispose();
}
