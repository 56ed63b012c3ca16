using Kedge.Demo;
using Kedge.SystemTests.Device;

namespace Kedge.SystemTests.Abuse;

/// <summary>A network that delivers everything twice, at once.</summary>
public class DuplicateTests(AttackedTunnel tunnel) : IClassFixture<AttackedTunnel>
{
    [Fact]
    public void Handshakes_and_packets_that_arrive_twice_count_once()
    {
        tunnel.Middle.Copies = 2;
        Dictionary<string, long> before = tunnel.Count();

        tunnel.ShakeHandsBothWays();
        int mark = tunnel.Pings.Last;
        Wait.Until(() => tunnel.Pings.Last >= mark + 40, TwoHosts.Patience, "40 pings");

        Dictionary<string, long> after = tunnel.Count();
        Assert.True(Grown("InitiationReplayed") >= 1); // of the initiation that the other one sent
        Assert.True(Grown("UnknownIndex") >= 1); // of the response that it sent
        Assert.True(Grown("Replayed") >= 36, $"{Grown("Replayed")} packets were taken for copies");
        Assert.Equal(0, tunnel.Pings.Duplicates);
        tunnel.AssertUnharmed(mark);

        long Grown(string name) => after[name] - before[name];
    }
}
