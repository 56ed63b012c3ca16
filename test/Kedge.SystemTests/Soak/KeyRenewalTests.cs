using Kedge.Demo;
using Kedge.SystemTests.Interop;
using Kedge.SystemTests.Rosenpass;

namespace Kedge.SystemTests.Soak;

/// <summary>Keys of Rosenpass in real time: renewed after two minutes, and random after three without the other end.</summary>
[Trait("Category", "Soak")]
public class KeyRenewalTests
{
    [Fact]
    public void A_key_is_renewed_every_two_minutes_and_becomes_random_when_the_other_end_is_gone()
    {
        using var tunnel = Tunnel.Start(other: Implementation.Kedge);
        ExchangeEnd here = new(tunnel.Kedge), there = new(tunnel.Other);
        here.Configure(there, "192.0.2.2:9999", version: null);
        there.Configure(here, "192.0.2.1:9999", version: null);
        RunningProcess responder = there.Start(), initiator = here.Start();
        initiator.WaitForLine("exchanged", Timeouts.Soon);
        Wait.Until(() => here.PresharedKey == there.PresharedKey, Timeouts.Soon, "the same key");
        string first = here.PresharedKey;
        tunnel.Handshake();

        Wait.Until(
            () => here.PresharedKey is var key && key != first && key == there.PresharedKey,
            TimeSpan.FromSeconds(150),
            "another key at both ends");
        tunnel.Initiator.Reaches(tunnel.Responder.Address);

        string last = there.PresharedKey;
        responder.Kill();
        initiator.WaitForLine("stale", TimeSpan.FromSeconds(200));
        Assert.NotEqual(last, here.PresharedKey);
    }
}
