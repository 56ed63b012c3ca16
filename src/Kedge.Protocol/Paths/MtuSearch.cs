using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <summary>
/// Finds out how long packets may be on one path, by pings that are padded and must not be fragmented: which size is to be pinged next, and
/// when. First comes a size that nearly every network carries, then the one that the tunnel's longest packet needs, which ends the search
/// where it is answered; then a usual one, and halves between what is carried and what is not. What has been found is checked from time to
/// time, and so is whether more is carried by now. Sizes are those of IP packets, in bytes. One thread at a time.
/// <para>
/// Silence says little, because pings get lost: a size is refused after a few of them. An answer is proof, whenever it comes.
/// </para>
/// </summary>
public sealed class MtuSearch
{
    /// <summary>What IPv6 demands of every link (RFC 8200 section 5), and is hardly ever not carried over IPv4.</summary>
    public const int SafeMtu = 1280;

    /// <summary>The least that is looked for: what every host takes (RFC 791).</summary>
    public const int LeastMtu = 576;

    /// <summary>Pings without an answer after which a size is refused.</summary>
    public const int Attempts = 4;

    /// <summary>How often the size that is in use is checked.</summary>
    public static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(60);

    /// <summary>How often it is looked whether more is carried by now, once it was looked a few times.</summary>
    public static readonly TimeSpan GrowInterval = TimeSpan.FromMinutes(10);

    private const int Precision = 16; // WireGuard's padding makes less than this worthless
    private const int Remembered = 32; // as many as a whole search on a path that answers late

    // A first search that was wrong, because of a burst of losses, is corrected soon.
    private static readonly TimeSpan FirstGrowInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LeastWait = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan MostWait = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan SilenceInterval = TimeSpan.FromSeconds(10); // traffic that nobody answers is silent all the time
    private static readonly int[] Usual = [1500, 1400];

    private (ulong Id, int Size)[] _underWay = [];
    private int _sent;
    private int _full; // 0: no search
    private int _carried; // 0: nothing is known to be
    private int _refused;
    private int _size; // that is being pinged; 0 for none
    private int _attempts;
    private Instant _pingAt;
    private Instant _checkAt = Instant.Never;
    private Instant _growAt = Instant.Never;
    private Instant _silentAt;
    private TimeSpan _growInterval;

    /// <summary>Bytes of the longest packet that is known to be carried, or assumed to be.</summary>
    public int Mtu { get; private set; } = PeerPath.UnknownMtu;

    /// <summary>Whether <see cref="Mtu"/> is known, and nothing longer than it is carried, or needed.</summary>
    public bool IsMeasured { get; private set; }

    /// <summary>Whether a size is being pinged.</summary>
    public bool IsBusy => _size != 0;

    /// <summary>When <see cref="Next"/> is to be called.</summary>
    public Instant Due => IsBusy ? _pingAt : Instant.Earlier(_checkAt, _growAt);

    /// <summary>Begins anew, on a path of which nothing is known.</summary>
    /// <param name="now">The time.</param>
    /// <param name="full">The longest packet that is needed.</param>
    public void Begin(Instant now, int full)
    {
        _underWay = new (ulong, int)[Remembered];
        (_full, _carried, _refused, _size) = (full, 0, full + 1, 0);
        (_checkAt, _growAt, _growInterval) = (Instant.Never, Instant.Never, FirstGrowInterval);
        IsMeasured = false;
        Aim(now);
    }

    /// <summary>Ends the search: the peer does not answer by how much has arrived.</summary>
    public void Stop()
    {
        (_full, _size, _checkAt, _growAt) = (0, 0, Instant.Never, Instant.Never);
        (Mtu, IsMeasured) = (PeerPath.UnknownMtu, false);
    }

    /// <summary>Packets of full length may have met silence on a path that answers otherwise.</summary>
    public void MeetSilence(Instant now)
    {
        if (_full == 0 || IsBusy || now - _silentAt < SilenceInterval)
            return;
        (_checkAt, _silentAt) = (now, now);
    }

    /// <summary>The size that is to be pinged now; 0 if it is not time.</summary>
    public int Next(Instant now)
    {
        if (_full == 0 || now < Due)
            return 0;
        if (IsBusy)
        {
            if (_attempts == Attempts)
                Refuse(now);
        }
        else if (_carried == 0 || now >= _growAt)
        {
            _refused = _full + 1;
            Aim(now);
        }
        else
        {
            Ping(now, _carried);
        }
        return _size;
    }

    /// <summary>Notes that the size that <see cref="Next"/> has said was pinged, or is to be pinged later.</summary>
    /// <param name="now">The time.</param>
    /// <param name="id">The ping's identifier; null if it may not be sent now.</param>
    /// <param name="roundTrip">How long an answer takes; null if that is not known.</param>
    public void Sent(Instant now, ulong? id, TimeSpan? roundTrip)
    {
        if (id is { } sent)
        {
            _underWay[_sent++ % Remembered] = (sent, _size);
            _attempts++;
        }
        TimeSpan wait = 2 * (roundTrip ?? MostWait);
        _pingAt = now + (wait < LeastWait ? LeastWait : wait > MostWait ? MostWait : wait);
    }

    /// <summary>Takes an answer.</summary>
    /// <param name="now">The time.</param>
    /// <param name="id">The identifier of the ping that it answers.</param>
    /// <param name="received">How long the peer says that the ping's packet was.</param>
    /// <returns>False if it answers no ping of this search.</returns>
    public bool TryTakePong(Instant now, ulong id, int received)
    {
        int index = Array.FindIndex(_underWay, ping => ping.Id == id && ping.Size != 0);
        if (index < 0)
            return false;
        int size = _underWay[index].Size;
        _underWay[index] = default;
        if (received < size || _full == 0)
            return true;
        _carried = Math.Max(_carried, size);
        if (_carried >= _refused)
            _refused = _full + 1; // it was lost, not refused
        if (!IsBusy || _carried >= _size)
            Aim(now);
        else
            Tell();
        return true;
    }

    private void Refuse(Instant now)
    {
        // What was carried until now is not any more: what is, is found out from the beginning.
        if (_size == _carried)
            _carried = 0;
        _refused = _size;
        Aim(now);
    }

    private void Aim(Instant now)
    {
        Tell();
        int size = NextSize();
        if (size != 0)
        {
            Ping(now, size);
            return;
        }
        _size = 0;
        _checkAt = now + CheckInterval;
        if (_carried == 0 || _carried == _full)
        {
            _growAt = Instant.Never;
        }
        else if (_growAt == Instant.Never || now >= _growAt)
        {
            _growAt = now + _growInterval;
            _growInterval = 2 * _growInterval < GrowInterval ? 2 * _growInterval : GrowInterval;
        }
    }

    private void Ping(Instant now, int size) => (_size, _attempts, _pingAt) = (size, 0, now);

    private int NextSize()
    {
        int safe = Math.Min(SafeMtu, _full);
        int least = _carried == 0 ? LeastMtu : _carried;
        if (_carried == 0 && safe < _refused)
            return safe;
        if (_carried != 0 && _refused > _full)
            return _carried < _full ? _full : 0;
        foreach (int size in Usual)
            if (_carried != 0 && _carried < size && size < _refused)
                return size;
        return _refused - least > Precision ? (least + _refused) / 2 : 0;
    }

    private void Tell()
    {
        Mtu = _carried == 0 ? Math.Min(SafeMtu, _full) : _carried;
        IsMeasured |= _carried != 0 && (_carried == _full || _refused <= _full);
    }
}
