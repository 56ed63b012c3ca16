using Kedge.Node.ControlLink;
using Kedge.Protocol.Certificates;
using Kedge.Tests.Certificates;

namespace Kedge.Tests.ControlLink;

public sealed class RenewalScheduleTests : IDisposable
{
    private readonly TestNetwork _network = new();

    public void Dispose() => _network.Dispose();

    [Fact]
    public void A_certificate_is_renewed_after_half_its_life_by_no_two_nodes_at_once()
    {
        NodeCertificate certificate = _network.Certify(from: TestNetwork.Start, to: TestNetwork.Start.AddDays(10));
        DateTimeOffset[] due = [.. Enumerable.Range(0, 50).Select(seed =>
        {
            var schedule = new RenewalSchedule(new Random(seed));
            schedule.Plan(certificate, TestNetwork.Start);
            return schedule.DueAt!.Value;
        })];

        Assert.All(due, at => Assert.InRange(at, TestNetwork.Start.AddDays(5), TestNetwork.Start.AddDays(6)));
        Assert.True(due.Max() - due.Min() > TimeSpan.FromHours(12));
    }

    [Fact]
    public void An_expired_certificate_is_renewed_within_seconds_and_then_every_few_minutes_until_it_works()
    {
        DateTimeOffset now = TestNetwork.Start.AddDays(30);
        var schedule = new RenewalSchedule(new Random(7));
        schedule.Plan(_network.Certify(), now);
        Assert.InRange(schedule.DueAt!.Value, now, now.AddSeconds(10));

        schedule.Retry(now);

        Assert.False(schedule.IsDue(now.AddSeconds(59)));
        Assert.True(schedule.IsDue(now.AddMinutes(5)));
    }
}
