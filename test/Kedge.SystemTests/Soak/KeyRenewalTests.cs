using Kedge.Demo;
using Kedge.SystemTests.Interop;
using Kedge.SystemTests.Rosenpass;

namespace Kedge.SystemTests.Soak;

/// <summary>Keys of Rosenpass in real time: renewed after two minutes, and random after three without the other end.</summary>
[Trait("Category", "Soak")]
public class KeyRenewalTests
{
    private static readonly TimeSpan Renewal = TimeSpan.FromSeconds(130);

    [Fact]
    public async Task A_key_is_renewed_every_two_minutes_without_dropping_a_packet_and_becomes_random_when_the_other_end_is_gone()
    {
        using var tunnel = Tunnel.Start(other: Implementation.Kedge);
        ExchangeEnd here = new(tunnel.Kedge), there = new(tunnel.Other);
        // The end that is told no endpoint is the responder, and so the first to renew: it has learnt where the other one is.
        here.Configure(there, "192.0.2.2:9999", version: null);
        there.Configure(here, endpoint: null, version: null);
        RunningProcess responder = there.Start(), initiator = here.Start();
        initiator.WaitForLine("exchanged", Timeouts.Soon);
        Wait.Until(() => here.PresharedKey == there.PresharedKey, Timeouts.Soon, "the same key");
        string first = here.PresharedKey;
        tunnel.Handshake();

        await TunnelTraffic.Start(tunnel, Renewal).AssertNothingDroppedAsync();
        Wait.Until(() => here.PresharedKey == there.PresharedKey, Timeouts.Soon, "the same key");
        Assert.NotEqual(first, here.PresharedKey);
        tunnel.Initiator.Reaches(tunnel.Responder.Address);

        string last = there.PresharedKey;
        responder.Kill();
        initiator.WaitForLine("stale", TimeSpan.FromSeconds(200));
        Wait.Until(() => here.PresharedKey != last, Timeouts.Soon, "a random key");
    }
}
