using Kedge.Demo;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Rosenpass;

/// <summary>Two machines whose WireGuard gets its PSKs from <c>kedge rosenpass</c>.</summary>
public sealed class ExchangeTests : IDisposable
{
    private const string None = "(none)";

    private readonly Tunnel _tunnel = Tunnel.Start(other: Implementation.Kedge);
    private readonly ExchangeEnd _here;
    private readonly ExchangeEnd _there;

    public ExchangeTests() => (_here, _there) = (new ExchangeEnd(_tunnel.Kedge), new ExchangeEnd(_tunnel.Other));

    public void Dispose() => _tunnel.Dispose();

    [Theory]
    [InlineData("192.0.2.2:9999", null)]
    [InlineData("[2001:db8::2]:9999", "V02")]
    [InlineData("[fe90::2%eth0]:9999", "V03")]
    public void The_exchanged_key_becomes_the_preshared_key_at_both_ends_and_packets_pass(string endpoint, string? version)
    {
        _tunnel.Kedge.Host.AddAddress("eth0", "fe90::1/64");
        _tunnel.Other.Host.AddAddress("eth0", "fe90::2/64");
        _here.Configure(_there, endpoint, version);
        _there.Configure(_here, endpoint: null, version, listen: endpoint);

        RunningProcess there = _there.Start(), here = _here.Start();

        AwaitSameKey(before: None);
        there.WaitForLine($"key-file \"{_there.KeyFile}\" exchanged", Timeouts.Soon);
        here.WaitForLine($"key-file \"{_here.KeyFile}\" exchanged", Timeouts.Soon);
        Assert.Matches("^output-key peer [A-Za-z0-9+/]{43}= key-file \"[^\"]+\" exchanged\n$", here.Output);
        Assert.Equal(_here.PresharedKey, File.ReadAllText(_here.KeyFile));
        Assert.Equal(_there.PresharedKey, File.ReadAllText(_there.KeyFile));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_here.KeyFile));
        _tunnel.Handshake();
        Assert.DoesNotContain(_here.PresharedKey, here.Output + here.Error + there.Output + there.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Before_the_first_exchange_a_peer_without_a_preshared_key_has_a_random_one_and_no_key_is_written()
    {
        _here.Configure(_there, "192.0.2.2:9999", version: null);
        Assert.Equal(None, _here.PresharedKey);

        RunningProcess here = _here.Start();

        Wait.Until(() => _here.PresharedKey != None, Timeouts.Soon, "a preshared key");
        Assert.Equal(0, Ping.Run(_tunnel.Kedge.Host, _tunnel.Other.Address, count: 2, patience: Ping.Brief).Received);
        Assert.Equal("", here.Output);
        Assert.False(File.Exists(_here.KeyFile));
    }

    [Fact]
    public void An_end_that_is_started_again_keeps_the_preshared_key_until_the_next_exchange()
    {
        _here.Configure(_there, "192.0.2.2:9999", version: null);
        _there.Configure(_here, endpoint: null, version: null);
        RunningProcess there = _there.Start(), here = _here.Start();
        AwaitSameKey(before: None);
        string key = _here.PresharedKey;
        there.Kill();
        here.Kill();

        _here.Start().WaitForLine("Exchanges keys", Timeouts.Soon);

        Assert.Equal((key, key), (_here.PresharedKey, File.ReadAllText(_here.KeyFile)));
        _tunnel.Handshake();
        _there.Start();
        AwaitSameKey(before: key);
    }

    [Fact]
    public async Task An_end_that_is_killed_and_started_again_comes_back_and_no_packet_is_dropped()
    {
        _here.Configure(_there, "192.0.2.2:9999", version: null);
        _there.Configure(_here, "192.0.2.1:9999", version: null);
        RunningProcess there = _there.Start(), here = _here.Start();
        AwaitSameKey(before: None);
        _tunnel.Handshake();
        TunnelTraffic traffic = TunnelTraffic.Start(_tunnel, TimeSpan.FromSeconds(6));

        foreach ((RunningProcess running, ExchangeEnd end) in new[] { (here, _here), (there, _there) })
        {
            string before = _here.PresharedKey;
            running.Kill();
            end.Start();
            AwaitSameKey(before);
        }

        await traffic.AssertNothingDroppedAsync();
        _tunnel.Kedge.EndSessions();
        _tunnel.Kedge.Reaches(_tunnel.Other.Address);
    }

    [Fact]
    public void An_end_without_endpoint_follows_the_other_to_a_new_address()
    {
        _here.Configure(_there, "192.0.2.2:9999", version: null);
        _there.Configure(_here, endpoint: null, version: null);
        _there.Start();
        RunningProcess here = _here.Start();
        AwaitSameKey(before: None);
        string before = _here.PresharedKey;

        here.Kill();
        _tunnel.Kedge.Host.Ip("address", "del", "192.0.2.1/24", "dev", "eth0");
        _tunnel.Kedge.Host.AddAddress("eth0", "192.0.2.11/24");
        _here.Start();

        AwaitSameKey(before);
    }

    [Fact]
    public void A_device_that_comes_late_gets_its_key()
    {
        _here.Configure(_there, "192.0.2.2:9999", version: null);
        _there.Configure(_here, endpoint: null, version: null);
        _tunnel.Kedge.Device.Process.Kill();
        RunningProcess here = _here.Start();
        _there.Start();
        here.WaitForLine($"cannot be handed to WireGuard: 'wg set {_tunnel.Kedge.Device.Name} peer ", Timeouts.Soon);
        here.WaitForLine("exchanged", Timeouts.Soon);

        _tunnel.Kedge.Restart();

        AwaitSameKey(before: None);
    }

    [Fact]
    public void A_device_that_is_started_again_gets_its_key_again()
    {
        _here.Configure(_there, "192.0.2.2:9999", version: null);
        _there.Configure(_here, endpoint: null, version: null);
        _there.Start();
        RunningProcess here = _here.Start();
        AwaitSameKey(before: None);
        string key = _here.PresharedKey;

        _tunnel.Kedge.Restart();
        Assert.Equal(None, _here.PresharedKey);

        Wait.Until(() => _here.PresharedKey == key, Timeouts.Soon, "the key from before");
        here.WaitForLine($"{_tunnel.Kedge.Device.Name} has lost its preshared key", Timeouts.Soon);
        _tunnel.Handshake();
    }

    private void AwaitSameKey(string before) => Wait.Until(
        () => _here.PresharedKey is var key && key != before && key != None && key == _there.PresharedKey,
        Timeouts.Retry,
        "another preshared key, the same at both ends");
}
