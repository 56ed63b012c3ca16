using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Kedge.Demo;
using Kedge.Node.Uapi;

namespace Kedge.SystemTests.Wg;

/// <summary>What junk on the socket of a running device may cost: 100 MB, and who asks is answered within a second.</summary>
public sealed class UapiJunkTests : IDisposable
{
    // What may be held, and as much again and more that the collector has not come to on a busy machine; half of what is sent at most.
    private const long Bound = 100_000_000;
    private const string SomeKey = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";

    private readonly Topology _net = Topology.Create();
    private readonly string _name;
    private readonly RunningProcess _device;
    private readonly List<UapiClient> _clients = [];
    private readonly long _before;

    public UapiJunkTests()
    {
        _name = _net.NewInterfaceName();
        _device = KedgeProgram.StartDevice(_net.AddHost("a"), _name);
        AssertServed();
        _before = Resident("VmRSS:");
    }

    [Fact]
    public void A_thousand_idle_connections()
    {
        for (int i = 0; i < 1000; i++)
            Connect();
        AssertHarmless();
    }

    [Fact]
    public void Idle_connections_that_never_stop_coming()
    {
        bool stop = false;
        var storm = new Thread(() =>
        {
            while (!Volatile.Read(ref stop))
                Connect();
        });
        storm.Start();
        try
        {
            Wait.Until(() => _clients.Count > 500, KedgeProgram.Patience, "500 connections");
            AssertHarmless();
            AssertHarmless();
        }
        finally
        {
            Volatile.Write(ref stop, true);
            storm.Join();
        }
    }

    [Fact]
    public void A_thousand_half_requests()
    {
        for (int i = 0; i < 1000; i++)
            Connect().Send($"set=1\nprivate_key={SomeKey}\npublic_key={SomeKey}\nallowed_ip=10.0.0.0/8\nallowed_");
        AssertHarmless();
    }

    [Theory]
    [InlineData("\0")]
    [InlineData("x")]
    [InlineData("get=1\n")]
    [InlineData("\n")]
    public void Ten_megabytes_of_something_else(string junk)
    {
        Flood(Connect(), "", junk, 10_000_000);
        AssertHarmless();
    }

    [Theory]
    [InlineData("allowed_ip=::/0\n")]
    [InlineData($"public_key={SomeKey}\n")]
    [InlineData($"public_key={SomeKey}\nallowed_ip=::/0\n")]
    [InlineData("persistent_keepalive_interval=1\n")]
    public void Ten_megabytes_of_a_request_that_does_not_end(string line)
    {
        Flood(Connect(), $"set=1\npublic_key={SomeKey}\n", line, 10_000_000);
        AssertHarmless();
    }

    [Fact]
    public void Two_hundred_connections_with_a_megabyte_of_a_request_each()
    {
        for (int i = 0; i < 200; i++)
            Flood(Connect(), $"set=1\npublic_key={SomeKey}\n", "allowed_ip=::/0\n", 1_000_000);
        AssertHarmless();
    }

    [Fact]
    public void Clients_that_ask_and_do_not_read()
    {
        // Until it reads no more, and closes the connection in the end.
        Flood(Connect(), "", "get=1\n\n", 1_000_000);
        for (int i = 0; i < 10 * UapiServer.MaximumConnections; i++)
            Connect().Send("get=1\n\n");
        AssertHarmless();
    }

    [Fact]
    public void Clients_that_come_and_go()
    {
        for (int i = 0; i < 2000; i++)
        {
            using UapiClient client = UapiClient.Connect(KedgeProgram.SocketOf(_name));
            client.Send(i % 2 == 0 ? "set=1\nlisten_port=x\n" : "get=");
        }
        AssertHarmless();
    }

    public void Dispose()
    {
        _clients.ForEach(client => client.Dispose());
        _net.Dispose();
    }

    private UapiClient Connect()
    {
        UapiClient client = UapiClient.Connect(KedgeProgram.SocketOf(_name));
        _clients.Add(client);
        return client;
    }

    // Sends until the server has had enough, which is fine.
    private static void Flood(UapiClient client, string start, string junk, int length)
    {
        byte[] chunk = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(junk, 8192 / junk.Length)));
        try
        {
            client.Send(start);
            for (int sent = 0; sent < length; sent += chunk.Length)
                client.Send(chunk);
        }
        catch (SocketException e) when (e.SocketErrorCode
            is SocketError.Shutdown or SocketError.ConnectionReset or SocketError.WouldBlock or SocketError.TimedOut)
        {
        }
    }

    private void AssertHarmless()
    {
        AssertServed();
        long grown = Resident("VmHWM:") - _before; // the peak: what was taken and given back counts too
        Assert.True(grown < Bound, $"memory has grown by {grown / 1e6:0.0} MB");
        TestContext.Current.SendDiagnosticMessage($"{TestContext.Current.Test!.TestDisplayName}: {grown / 1e6:0.0} MB");
    }

    // The best of three, so that what is measured is the server and not how busy the machine is.
    private void AssertServed()
    {
        TimeSpan best = Enumerable.Range(0, 3).Min(_ =>
        {
            long start = Stopwatch.GetTimestamp();
            Assert.EndsWith("errno=0\n\n", UapiClient.Ask(KedgeProgram.SocketOf(_name), "get=1\n\n"), StringComparison.Ordinal);
            return Stopwatch.GetElapsedTime(start);
        });
        Assert.True(best < TimeSpan.FromSeconds(1), $"a get took {best.TotalMilliseconds} ms");
        Assert.DoesNotContain("peer:", UapiFixture.RunWg("show", _name), StringComparison.Ordinal);
    }

    private long Resident(string field) =>
        1024 * long.Parse(
            File.ReadLines($"/proc/{_device.ProcessId}/status").First(line => line.StartsWith(field, StringComparison.Ordinal))
                .Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1],
            CultureInfo.InvariantCulture);
}
