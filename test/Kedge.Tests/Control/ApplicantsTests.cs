using System.Net;
using Kedge.Control;
using Kedge.Control.Endpoints;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Kedge.Tests.Push;
using Microsoft.AspNetCore.Http;

namespace Kedge.Tests.Control;

public class ApplicantsTests
{
    private readonly ManualClock _clock = new();
    private readonly KnownSources _known = new();
    private readonly Applicants _applicants;

    public ApplicantsTests() => _applicants = new Applicants(_known, _clock);

    [Fact]
    public void One_address_floods_and_another_may_apply()
    {
        Assert.Equal(100, AllowedOf(10_000, "192.0.2.1"));
        Assert.Equal(0, AllowedOf(1, "::ffff:192.0.2.1"));
        Assert.Equal(1, AllowedOf(1, "192.0.2.2"));
        Assert.Equal(1, AllowedOf(1, "2001:db8::1"));
    }

    [Fact]
    public void Many_addresses_flood_and_one_from_which_a_node_has_joined_may_bring_more()
    {
        _known.Add(new Protocol.Instant(_clock.GetElapsedTime(0, _clock.GetTimestamp()).Ticks), IpAddress.Parse("198.51.100.1"));
        int allowed = 0;
        for (int i = 0; i < 1000; i++)
            allowed += AllowedOf(1, $"10.0.{i / 250}.{i % 250}");
        Assert.Equal(200, allowed);
        Assert.Equal(200, AllowedOf(200, "198.51.100.1"));
    }

    [Fact]
    public void A_refusal_says_when_to_come_back()
    {
        AllowedOf(100, "192.0.2.1");
        Refusal refusal = Assert.Throws<Refusal>(() => _applicants.Spend(From("192.0.2.1")));
        Assert.Equal((429, TimeSpan.FromSeconds(5)), (refusal.Status, refusal.RetryAfter));
        Assert.Contains("192.0.2.1", refusal.Message, StringComparison.Ordinal);
        _clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(50, AllowedOf(100, "192.0.2.1"));
    }

    private int AllowedOf(int requests, string address)
    {
        int allowed = 0;
        for (int i = 0; i < requests; i++)
        {
            try
            {
                _applicants.Spend(From(address));
                allowed++;
            }
            catch (Refusal)
            {
                // counted by not being allowed
            }
        }
        return allowed;
    }

    private static DefaultHttpContext From(string address)
    {
        var context = new DefaultHttpContext();
        context.Connection.RemoteIpAddress = IPAddress.Parse(address);
        return context;
    }
}
