using Kedge.Control.Listening;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Kedge.Tests.Push;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Kedge.Tests.Listening;

public class AnonymousConnectionsTests
{
    private static readonly IpAddress Flooder = IpAddress.Parse("192.0.2.1"), Stranger = IpAddress.Parse("192.0.2.2"), Known = IpAddress.Parse("198.51.100.1");

    private readonly ManualClock _clock = new();
    private readonly KnownSources _known = new();
    private readonly AnonymousConnections _anonymous;

    public AnonymousConnectionsTests() => _anonymous = new AnonymousConnections(_known, _clock, new Random(1));

    [Fact]
    public void One_address_keeps_256_places_at_most_and_another_gets_its_own()
    {
        TestConnection[] flood = [.. Enumerable.Range(0, 1000).Select(_ => Connect(Flooder))];
        TestConnection other = Connect(Stranger);
        Assert.Equal(256, flood.Count(connection => !connection.IsAborted));
        Assert.False(other.IsAborted);
        Assert.Equal(257, _anonymous.Count);
        Assert.Contains(flood.Take(500), connection => !connection.IsAborted); // which of them, is chance
        Assert.Contains(flood.Skip(500), connection => !connection.IsAborted);
    }

    [Fact]
    public void Many_addresses_keep_half_of_all_places_and_a_newcomer_and_a_known_source_get_theirs()
    {
        _known.Add(Now, Known);
        TestConnection[] flood = [.. Enumerable.Range(0, 5000).Select(i => Connect(IpAddress.IPv4(0x0A000000 + (uint)(i % 100))))];
        TestConnection newcomer = Connect(Stranger), acquaintance = Connect(Known);
        Assert.Equal(2048 - 1, flood.Count(connection => !connection.IsAborted));
        Assert.False(newcomer.IsAborted);
        Assert.False(acquaintance.IsAborted);
        for (int i = 0; i < 5000; i++)
            Connect(IpAddress.IPv4(0x0B000000 + (uint)i));
        Assert.False(acquaintance.IsAborted);
        Assert.Equal(2048 + 1, _anonymous.Count);
    }

    [Fact]
    public void A_connection_that_ends_gives_its_place_back()
    {
        for (int i = 0; i < 1000; i++)
        {
            TestConnection connection = Connect(Flooder);
            connection.Anonymous.Dispose();
            Assert.False(connection.IsAborted);
        }
        Assert.Equal(0, _anonymous.Count);
    }

    [Fact]
    public void Silence_lasts_ten_seconds_at_most()
    {
        TestConnection silent = Connect(Stranger), speaking = Connect(Stranger);
        speaking.Anonymous.NoteClientHello();
        Pass(TimeSpan.FromSeconds(9), silent, speaking);
        Assert.False(silent.IsAborted);
        Pass(TimeSpan.FromSeconds(1), silent, speaking);
        Assert.True(silent.IsAborted);
        Assert.False(speaking.IsAborted);
    }

    [Fact]
    public void Who_never_authenticates_is_asked_to_end_after_a_minute_and_made_to_soon_after()
    {
        TestConnection connection = Connect(Stranger);
        connection.Anonymous.NoteClientHello();
        Pass(TimeSpan.FromSeconds(59), connection);
        Assert.Equal(0, connection.AskedToEnd);
        Pass(TimeSpan.FromSeconds(1), connection);
        Pass(TimeSpan.FromSeconds(1), connection);
        Assert.Equal(1, connection.AskedToEnd);
        Assert.False(connection.IsAborted);
        Pass(TimeSpan.FromSeconds(14), connection);
        Assert.True(connection.IsAborted);
    }

    [Fact]
    public void Who_authenticates_stays_and_its_source_is_known_for_as_long()
    {
        TestConnection connection = Connect(Stranger);
        connection.Anonymous.NoteClientHello();
        connection.Anonymous.NoteAuthenticated();
        Assert.Equal(0, _anonymous.Count);
        for (int i = 0; i < 24 * 60; i++)
        {
            Pass(TimeSpan.FromMinutes(1), connection);
            Assert.True(_known.Contains(Now, Stranger));
        }
        Assert.False(connection.IsAborted);
        Assert.Equal(0, connection.AskedToEnd);
    }

    private Protocol.Instant Now => new(_clock.GetElapsedTime(0, _clock.GetTimestamp()).Ticks);

    private TestConnection Connect(IpAddress address)
    {
        var connection = new TestConnection();
        connection.Anonymous = _anonymous.Add(connection, address);
        return connection;
    }

    private void Pass(TimeSpan time, params TestConnection[] connections)
    {
        _clock.Advance(time);
        foreach (TestConnection connection in connections)
            connection.Anonymous.CheckTime();
    }

    private sealed class TestConnection : DefaultConnectionContext, IConnectionLifetimeNotificationFeature
    {
        public TestConnection() => Features.Set<IConnectionLifetimeNotificationFeature>(this);

        public AnonymousConnection Anonymous { get; set; } = null!;

        public bool IsAborted { get; private set; }

        public int AskedToEnd { get; private set; }

        public CancellationToken ConnectionClosedRequested { get; set; }

        public override void Abort(ConnectionAbortedException abortReason) => IsAborted = true;

        public void RequestClose() => AskedToEnd++;
    }
}
