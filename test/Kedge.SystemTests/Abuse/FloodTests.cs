using System.Buffers.Binary;
using Kedge.Demo;
using Kedge.Protocol.Ip;
using Kedge.SystemTests.Device;

namespace Kedge.SystemTests.Abuse;

/// <summary>
/// What strangers can send to the UDP port while a tunnel is in use. After each: traffic has gone on, memory has not grown, the peer is
/// where it was, and the counters say what happened.
/// </summary>
public class FloodTests : IClassFixture<AttackedTunnel>
{
    private const int Seed = 20_2605;

    private readonly AttackedTunnel _tunnel;
    private readonly Random _random = new(Seed);
    private readonly Dictionary<string, long> _before;
    private readonly int _mark;

    public FloodTests(AttackedTunnel tunnel)
    {
        _tunnel = tunnel;
        _before = tunnel.Count();
        _mark = tunnel.Pings.Last;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Random_datagrams_of_every_length(bool ipv6)
    {
        // From empty ones to the longest that UDP over IPv4 carries; those longer than the link arrive in fragments.
        int[] longest = ipv6 ? [65_507, 65_527] : [65_507];
        int[] lengths = [.. Enumerable.Range(0, 400), .. Enumerable.Range(0, 220).Select(i => 400 + i * 293), .. longest];

        int sent = _tunnel.Flood(lengths.Select(length => Bytes(length)), ipv6 ? _tunnel.Device6 : _tunnel.Device);

        AssertCounted(sent, "UnknownDatagram", "NotEnabled");
    }

    [Fact]
    public void Messages_cut_short_and_drawn_out()
    {
        byte[][] seen = _tunnel.Middle.ToFirst;
        byte[][] messages = [.. ((byte[])[1, 2, 4]).Select(type => seen.Last(message => message[0] == type))];

        int sent = _tunnel.Flood(messages.SelectMany(message =>
            Enumerable.Range(0, message.Length).Select(length => message[..length]).Append([.. message, 0])));

        AssertCounted(sent, "UnknownDatagram", "NotAuthentic");
        Assert.True(Grown("UnknownDatagram") > 148 + 92);
        Assert.True(Grown("NotAuthentic") > 32);
    }

    [Fact]
    public void Headers_of_every_message_with_junk_behind_them()
    {
        IEnumerable<byte[]> junk = Enumerable.Range(0, 4000).SelectMany(i => (byte[][])[
            Forgery.Junk(_random, 1, Forgery.InitiationSize), Forgery.Junk(_random, 2, Forgery.ResponseSize),
            Forgery.Junk(_random, 3, Forgery.CookieReplySize),
            Forgery.Junk(_random, 4, 32 + i % 600), Forgery.Junk(_random, (uint)_random.Next(), 32 + i % 600)]);

        int sent = _tunnel.Flood(junk, burst: 1000);

        AssertCounted(sent, "InvalidMac1", "UnknownIndex", "UnknownDatagram", "NotEnabled");
        Assert.InRange(Grown("InvalidMac1"), 7000, 8000);
        Assert.InRange(Grown("UnknownIndex"), 7000, 8000);
    }

    [Fact]
    public void Transport_messages_of_the_session_sent_again()
    {
        byte[][] Seen() => [.. _tunnel.Middle.ToFirst.Where(message => message[0] == 4).SkipLast(20).TakeLast(1000)];
        Wait.Until(() => Seen().Length > 0, TimeSpan.FromSeconds(10), "more than 20 transport messages");
        byte[][] seen = Seen();
        IEnumerable<byte[]> again = Enumerable.Repeat(seen, 1 + 30_000 / seen.Length).SelectMany(message => message);

        int sent = _tunnel.Flood(again, burst: 1000);

        // Those of the session before this one may find it gone.
        AssertCounted(sent, "Replayed", "UnknownIndex");
        Assert.True(Grown("Replayed") > 0);
    }

    [Fact]
    public void Handshakes_sent_again()
    {
        byte[][] theirs = _tunnel.Middle.ToFirst, ours = _tunnel.Middle.ToSecond;
        byte[] initiation = theirs.Last(message => message[0] == 1);
        byte[][] messages =
        [
            initiation, theirs.Last(message => message[0] == 2),
            .. ((byte[])[1, 2, 4]).Select(type => ours.Last(message => message[0] == type)), // what the device sent, back to it
        ];
        AwaitCalm(initiation);

        int sent = _tunnel.Flood(Enumerable.Repeat(messages, 200).SelectMany(all => all), burst: 200);

        AssertCounted(sent, "InitiationReplayed", "UnknownIndex", "InvalidMac1");
        Assert.InRange(Grown("InitiationReplayed"), 160, 300); // and those of the wait
        Assert.InRange(Grown("UnknownIndex"), 320, 400);
        Assert.InRange(Grown("InvalidMac1"), 320, 400);
        Assert.Empty(_tunnel.Replies);
    }

    [Fact]
    public void Initiations_whose_first_mac_is_wrong()
    {
        int sent = _tunnel.Flood(Enumerable.Range(0, 40_000).Select(_ => Forgery.Junk(_random, 1, Forgery.InitiationSize)), burst: 1000);

        AssertCounted(sent, "InvalidMac1", "HandshakeQueueFull");
        Assert.Empty(_tunnel.Replies);
    }

    [Fact]
    public void Initiations_whose_first_mac_is_right_from_many_addresses_are_asked_for_cookies()
    {
        int sent = _tunnel.Flood(Initiations(12_000), sourceOf: AnyAddress, burst: 2000);

        AssertCounted(sent, "HandshakeNotAuthentic", "CookieReplies", "HandshakeQueueFull");
        Assert.True(Grown("CookieReplies") > 0);
        Assert.All(_tunnel.Replies, reply => Assert.Equal(Forgery.CookieReplySize, reply.Length));
    }

    [Fact]
    public void An_address_with_a_cookie_gets_its_share_and_no_more()
    {
        byte[] own = _tunnel.Forgery.Initiation(_random, 1);
        byte[]? cookie = null;
        Wait.Until(
            () =>
            {
                _tunnel.Flood(Initiations(1500).Append(own), sourceOf: number => number < 1500 ? AnyAddress(number) : Own, burst: 2000);
                cookie = _tunnel.Replies.Select(reply => _tunnel.Forgery.OpenCookie(reply, own)).FirstOrDefault(found => found is not null);
                return cookie is not null;
            },
            TwoHosts.Patience, "a cookie");

        Wait.Until(
            () =>
            {
                IEnumerable<byte[]> proven = Enumerable.Range(0, 200).Select(_ => _tunnel.Forgery.Initiation(_random, 1, cookie));
                _tunnel.Flood(Initiations(1500).Concat(proven), sourceOf: number => number < 1500 ? AnyAddress(number) : Own, burst: 2000);
                return Grown("RateLimited") > 100;
            },
            TwoHosts.Patience, "initiations above the rate");

        // The cookie reply itself, sent back: to an index that nobody has, and to that of the session.
        byte[] reply = _tunnel.Replies.First();
        byte[] toSession = [.. reply];
        BinaryPrimitives.WriteUInt32LittleEndian(toSession.AsSpan(4), _tunnel.SessionIndex);
        _tunnel.Flood(Enumerable.Repeat(reply, 100).Concat(Enumerable.Repeat(toSession, 100)));
        Assert.True(Grown("InvalidCookieReply") >= 80);
        Assert.True(Grown("UnknownIndex") >= 80);
        _tunnel.AssertUnharmed(_mark);
    }

    [Fact]
    public void Transport_messages_for_the_session_with_wrong_tags()
    {
        uint index = _tunnel.SessionIndex;

        int sent = _tunnel.Flood(Enumerable.Range(0, 40_000).Select(i => Forgery.Transport(_random, index, 32 + i % 1400)), burst: 1000);

        AssertCounted(sent, "NotAuthentic");
    }

    private static IpAddress Own => IpAddress.Parse(AttackedTunnel.AttackerAddress);

    private static IpAddress AnyAddress(int number) => IpAddress.IPv4(0x0A42_0000u + (uint)number % 0xFFFF);

    private byte[] Bytes(int length)
    {
        var bytes = new byte[length];
        _random.NextBytes(bytes);
        return bytes;
    }

    private IEnumerable<byte[]> Initiations(int count) =>
        Enumerable.Range(0, count).Select(i => _tunnel.Forgery.Initiation(_random, 1000 + (uint)i));

    /// <summary>Waits until the device is no longer under load from another test, and judges an initiation at once.</summary>
    private void AwaitCalm(byte[] initiation)
    {
        long before = _tunnel.Count()["InitiationReplayed"];
        Wait.Until(
            () =>
            {
                _tunnel.Flood([initiation]);
                return _tunnel.Count()["InitiationReplayed"] > before;
            },
            TwoHosts.Patience, "an initiation to be taken for a replay");
    }

    private long Grown(string name) => _tunnel.Count()[name] - _before[name];

    /// <summary>Asserts that at least nine of ten datagrams were counted for one of these reasons, and the tunnel is unharmed.</summary>
    private void AssertCounted(int sent, params string[] reasons)
    {
        long counted = reasons.Sum(Grown);
        Assert.True(
            counted >= sent - sent / 10, $"{counted} of {sent} datagrams were counted as {string.Join(", ", reasons)} (seed {Seed})");
        _tunnel.AssertUnharmed(_mark);
    }
}
