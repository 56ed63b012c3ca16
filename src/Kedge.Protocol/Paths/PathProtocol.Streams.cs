using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <content>The stream to the controller: when this device needs one.</content>
public sealed partial class PathProtocol
{
    /// <summary>How long nothing may be heard by UDP before a stream is opened.</summary>
    public static readonly TimeSpan UdpPatience = TimeSpan.FromSeconds(1);

    /// <summary>How long a stream is kept that nobody needs.</summary>
    public static readonly TimeSpan StreamIdleTime = TimeSpan.FromSeconds(60);

    private Instant? _heardByUdp;
    private Instant? _streamNeeded;

    /// <summary>
    /// The relays that serve streams, with where they may be: TCP at the port of their UDP. All devices have them in the same order, so that two of
    /// them meet.
    /// </summary>
    public IEnumerable<(PublicKey Key, Endpoint At)> StreamRelays =>
        from finder in _finders.Values
        where finder.IsRelay && finder.TellsStream
        orderby StreamAddress.IdOf(finder.PublicKey)
        from at in finder.ToldEndpoints
        select (finder.PublicKey, at);

    /// <summary>Notes that something authentic has come by UDP from elsewhere than the local network: a STUN server's answer, say.</summary>
    public void HeardByUdp(Instant now) => _heardByUdp = now;

    /// <summary>Decides whether this device is to have a stream to the controller now.</summary>
    /// <param name="now">The time.</param>
    /// <param name="unansweredSince">Since when no STUN server has answered that was asked; null while one has, or none is asked.</param>
    /// <param name="reviewAt">When to ask again, at the latest.</param>
    public bool WantsStream(Instant now, Instant? unansweredSince, out Instant reviewAt)
    {
        reviewAt = Instant.Never;
        if (unansweredSince is { } since && !(_heardByUdp >= since))
        {
            if (now - since >= UdpPatience)
                _streamNeeded = now;
            reviewAt = now - since >= UdpPatience ? now + StreamIdleTime / 2 : since + UdpPatience;
        }
        if (_streamNeeded is not { } needed || now - needed >= StreamIdleTime)
            return false;
        reviewAt = Instant.Earlier(reviewAt, needed + StreamIdleTime);
        return true;
    }

    /// <summary>A finder needs a stream, or uses it.</summary>
    internal void NeedStream(Instant now) => _streamNeeded = now;

    /// <summary>Whether nothing has come by UDP for a while, as far as is known.</summary>
    internal bool HearsNothing(Instant now) => !(_heardByUdp is { } heard && now - heard < StreamIdleTime);

    private void NoteHeard(Instant now, IpAddress from)
    {
        if (!StreamAddress.IsStream(from) && !Surroundings.IsOnLink(from))
            _heardByUdp = now;
    }
}
