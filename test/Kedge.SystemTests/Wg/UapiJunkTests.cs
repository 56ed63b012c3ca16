using System.Diagnostics;
using System.Globalization;
using System.Text;
using Kedge.Node.Uapi;

namespace Kedge.SystemTests.Wg;

/// <summary>Measures the memory of this process, so nothing else may run in it meanwhile.</summary>
[CollectionDefinition(nameof(UapiJunkTests), DisableParallelization = true)]
public sealed class UapiJunkGroup;

/// <summary>What junk on the socket may cost: 60 MB, and <c>wg show</c> less than a second.</summary>
[Collection(nameof(UapiJunkTests))]
public sealed class UapiJunkTests : IDisposable
{
    private const long Bound = 60_000_000;
    private const string SomeKey = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";

    private readonly UapiFixture _server = new(whereWgLooks: true);
    private readonly List<UapiClient> _clients = [];
    private readonly long _before;

    public UapiJunkTests()
    {
        AssertServed(); // with all that is loaded on first use
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive);
        _before = Resident();
    }

    [Fact]
    public void A_thousand_idle_connections()
    {
        for (int i = 0; i < 1000; i++)
            Connect();
        AssertServed();
        AssertBounded();
    }

    [Fact]
    public void A_thousand_half_requests()
    {
        for (int i = 0; i < 1000; i++)
            Connect().Send($"set=1\nprivate_key={SomeKey}\npublic_key={SomeKey}\nallowed_ip=10.0.0.0/8\nallowed_");
        AssertServed();
        AssertBounded();
        Assert.Equal(0, _server.Device.Changes);
    }

    [Theory]
    [InlineData("\0")]
    [InlineData("x")]
    [InlineData("get=1\n")]
    [InlineData("\n")]
    public void Ten_megabytes_of_something_else(string junk)
    {
        Flood(Connect(), "", junk, 10_000_000);
        AssertServed();
        AssertBounded();
    }

    [Theory]
    [InlineData("allowed_ip=::/0\n")]
    [InlineData($"public_key={SomeKey}\n")]
    [InlineData($"public_key={SomeKey}\nallowed_ip=::/0\n")]
    [InlineData("persistent_keepalive_interval=1\n")]
    public void Ten_megabytes_of_a_request_that_does_not_end(string line)
    {
        Flood(Connect(), $"set=1\npublic_key={SomeKey}\n", line, 10_000_000);
        AssertServed();
        AssertBounded();
        Assert.Equal(0, _server.Device.Changes);
    }

    [Fact]
    public void Sixty_four_connections_with_a_megabyte_of_a_request_each()
    {
        for (int i = 0; i < UapiServer.MaximumConnections; i++)
            Flood(Connect(), $"set=1\npublic_key={SomeKey}\n", "allowed_ip=::/0\n", 1_000_000);
        AssertServed();
        AssertBounded();
    }

    [Fact]
    public void Clients_that_ask_and_do_not_read()
    {
        var request = new StringBuilder("set=1\n");
        for (int peer = 0; peer < 1000; peer++)
        {
            request.Append($"public_key={peer:x64}\n");
            for (int prefix = 0; prefix < 50; prefix++)
                request.Append(CultureInfo.InvariantCulture, $"allowed_ip=10.{peer / 256}.{peer % 256}.{prefix}/32\n");
        }
        Assert.Equal("errno=0\n\n", UapiClient.Ask(_server.Path, request.ToString() + "\n"));
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive);
        long configured = Resident();
        for (int i = 0; i < 200; i++)
            Connect().Send("get=1\n\n");
        AssertServed();
        AssertBounded(configured);
    }

    [Fact]
    public void A_client_that_comes_again_and_again()
    {
        for (int i = 0; i < 2000; i++)
        {
            using UapiClient client = UapiClient.Connect(_server.Path);
            client.Send(i % 2 == 0 ? "set=1\nlisten_port=x\n" : "get=");
        }
        AssertServed();
        AssertBounded();
    }

    public void Dispose()
    {
        _clients.ForEach(client => client.Dispose());
        _server.Dispose();
    }

    private UapiClient Connect()
    {
        UapiClient client = UapiClient.Connect(_server.Path);
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
        catch (System.Net.Sockets.SocketException e) when (e.SocketErrorCode is System.Net.Sockets.SocketError.Shutdown or System.Net.Sockets.SocketError.ConnectionReset)
        {
        }
    }

    private void AssertServed()
    {
        long start = Stopwatch.GetTimestamp();
        UapiFixture.RunWg("show", _server.InterfaceName);
        TimeSpan taken = Stopwatch.GetElapsedTime(start);
        Assert.True(taken < TimeSpan.FromSeconds(1), $"wg show took {taken.TotalMilliseconds} ms");
    }

    private void AssertBounded(long? before = null)
    {
        long grown = Resident() - (before ?? _before);
        TestContext.Current.TestOutputHelper?.WriteLine($"{grown / 1e6:0.0} MB");
        Assert.True(grown < Bound, $"memory has grown by {grown / 1e6:0.0} MB");
    }

    // The peak since the last look: what was taken and given back counts too.
    private static long Resident()
    {
        long peak = Read("VmHWM:");
        File.WriteAllText("/proc/self/clear_refs", "5");
        return Math.Max(peak, Read("VmRSS:"));
    }

    private static long Read(string field) =>
        1024 * long.Parse(
            File.ReadLines("/proc/self/status").First(line => line.StartsWith(field, StringComparison.Ordinal)).Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1],
            CultureInfo.InvariantCulture);
}
