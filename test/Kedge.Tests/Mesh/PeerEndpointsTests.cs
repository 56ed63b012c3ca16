using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Mesh;

/// <summary>A device's view of one peer on a virtual clock, observed once a second.</summary>
public class PeerEndpointsTests
{
    private static readonly Endpoint First = Endpoint.Parse("203.0.113.1:7000");
    private static readonly Endpoint Second = Endpoint.Parse("192.168.1.1:7000");
    private static readonly Endpoint Elsewhere = Endpoint.Parse("198.51.100.9:61234");

    private readonly PeerEndpoints _endpoints = new();
    private Instant _now = new(TimeSpan.TicksPerDay);
    private Instant? _handshake;
    private Endpoint _device;
    private ulong _sent, _received;

    [Fact]
    public void A_peer_without_endpoint_gets_the_first_one_at_once()
    {
        _endpoints.Offer([First, Second]);

        Observe();

        Assert.Equal(First, _device);
    }

    [Fact]
    public void A_peer_that_has_told_nothing_gets_none()
    {
        Observe();
        Assert.True(_device.IsNone);
    }

    [Fact]
    public void Nobody_is_tried_elsewhere_while_nothing_is_sent()
    {
        _endpoints.Offer([First, Second]);
        Pass(600);
        Assert.Equal(First, _device);
    }

    [Fact]
    public void Endpoints_take_turns_while_initiations_stay_unanswered()
    {
        _endpoints.Offer([First, Second]);
        Observe();

        List<Endpoint> seen = [];
        for (int second = 0; second < 40; second++)
        {
            Pass(1, initiates: second % 5 == 0);
            if (seen.LastOrDefault() != _device)
                seen.Add(_device);
        }

        Assert.Equal([First, Second, First, Second], seen.Take(4));
        Assert.InRange(seen.Count, 4, 7); // each has time for an initiation and its answer
    }

    [Fact]
    public void The_only_endpoint_stays()
    {
        _endpoints.Offer([First]);
        for (int round = 0; round < 20; round++)
            Pass(5, initiates: true);
        Assert.Equal(First, _device);
    }

    [Fact]
    public void An_endpoint_learned_by_roaming_stays_while_the_peer_answers()
    {
        _endpoints.Offer([First, Second]);
        Observe();
        Handshake(Elsewhere);

        for (int second = 0; second < 600; second++)
        {
            if (second % 120 == 119)
                Handshake(Elsewhere);
            _sent += 100;
            _received += 100;
            Pass(1);
            Assert.Equal(Elsewhere, _device);
        }
    }

    [Fact]
    public void An_endpoint_learned_by_roaming_stays_after_the_session_too_while_nothing_is_sent()
    {
        _endpoints.Offer([First, Second]);
        Observe();
        Handshake(Elsewhere);
        Pass(3600);
        Assert.Equal(Elsewhere, _device);
    }

    [Fact]
    public void Another_offer_does_not_touch_a_living_session()
    {
        _endpoints.Offer([First]);
        Observe();
        Handshake(Elsewhere);
        Pass(1);

        _endpoints.Offer([Second]);
        Pass(100);

        Assert.Equal(Elsewhere, _device);
    }

    [Fact]
    public void A_peer_that_has_told_new_endpoints_is_looked_for_there_once_its_session_is_dead()
    {
        _endpoints.Offer([First]);
        Observe();
        Handshake(First);
        Pass(1);
        _endpoints.Offer([Second]);

        Pass(170);
        Assert.Equal(First, _device);
        Pass(20);
        Assert.Equal(Second, _device);
    }

    [Fact]
    public void A_peer_that_falls_silent_in_a_session_is_looked_for_elsewhere_before_the_session_is_dead()
    {
        _endpoints.Offer([First]);
        Observe();
        Handshake(First);
        Pass(1);
        _endpoints.Offer([Second]); // it has moved; it restarted and knows nothing of the session

        int seconds = 0;
        while (_device == First && seconds < 180)
        {
            seconds++;
            Pass(1, initiates: true);
        }

        // WireGuard itself first notices after 15 s, and its new initiation is to have a chance.
        Assert.InRange(seconds, 20, 23);
        Assert.Equal(Second, _device);
    }

    [Fact]
    public void Data_that_flows_one_way_only_with_keepalives_in_return_is_no_silence()
    {
        _endpoints.Offer([First, Second]);
        Observe();
        Handshake(First);
        for (int second = 0; second < 170; second++)
        {
            _sent += 1400;
            if (second % 10 == 0)
                _received += 32;
            Pass(1);
        }
        Assert.Equal(First, _device);
    }

    [Fact]
    public void Where_the_peer_was_heard_from_is_tried_again_after_all_that_it_has_told()
    {
        _endpoints.Offer([First, Second]);
        Observe();
        Handshake(Elsewhere);
        Pass(200);

        List<Endpoint> seen = [];
        for (int second = 0; second < 60; second++)
        {
            Pass(1, initiates: second % 5 == 0);
            if (seen.LastOrDefault() != _device)
                seen.Add(_device);
        }

        Assert.Equal([Elsewhere, First, Second, Elsewhere], seen.Take(4));
    }

    [Fact]
    public void An_endpoint_that_answers_is_kept()
    {
        _endpoints.Offer([First, Second]);
        Observe();
        while (_device == First)
            Pass(1, initiates: true);
        Handshake(Second);

        for (int second = 0; second < 100; second++)
        {
            _sent += 100;
            _received += 100;
            Pass(1);
        }
        Assert.Equal(Second, _device);
    }

    [Fact]
    public void A_control_link_that_was_restarted_leaves_a_restored_endpoint_alone()
    {
        // The device has its endpoint from its own state, and nothing is known of the peer yet.
        _device = Elsewhere;
        _endpoints.Offer([First, Second]);
        Pass(5, initiates: true);
        Assert.Equal(Elsewhere, _device);
    }

    [Fact]
    public void A_handshake_seen_by_a_jittering_clock_is_still_the_same_one()
    {
        _endpoints.Offer([First, Second]);
        Observe();
        Handshake(First);
        int seconds = 0;
        for (; _device == First && seconds < 60; seconds++)
        {
            _handshake += TimeSpan.FromMilliseconds(seconds % 2 == 0 ? 40 : -40);
            Pass(1, initiates: true);
        }
        Assert.InRange(seconds, 20, 23);
    }

    private void Handshake(Endpoint from)
    {
        _handshake = _now;
        _received += 92;
        _device = from;
        Observe();
    }

    private void Pass(int seconds, bool initiates = false)
    {
        if (initiates)
            _sent += 148;
        for (int second = 0; second < seconds; second++)
        {
            _now += TimeSpan.FromSeconds(1);
            Observe();
        }
    }

    private void Observe()
    {
        var seen = new PeerObservation(_device, _handshake is { } handshake ? _now - handshake : null, _sent, _received);
        if (_endpoints.Choose(seen, _now, Timing.Default.RejectAfterTime) is { } chosen)
            _device = chosen;
    }
}
