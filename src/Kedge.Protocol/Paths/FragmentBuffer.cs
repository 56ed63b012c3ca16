namespace Kedge.Protocol.Paths;

/// <summary>
/// Puts packets together again whose halves came in <see cref="FragmentFrame"/>s. A half waits for the other one for a while; what waits is
/// bounded, in all and for each sender, so that none takes the room of the others: then the sender's oldest half gives way, or the oldest
/// of all. Owned by one thread. Allocates its memory with the first half, and nothing after that.
/// </summary>
public sealed class FragmentBuffer
{
    /// <summary>How many halves wait at most.</summary>
    public const int Capacity = 64;

    /// <summary>How many halves of one sender wait at most.</summary>
    public const int CapacityOfOne = 16;

    /// <summary>Bytes of the longest packet.</summary>
    public const int MaximumLength = 2 * FragmentFrame.MaximumBody;

    /// <summary>How long a half waits. The other one was sent in the same moment.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly Place[] _places = new Place[Capacity];
    private byte[] _bodies = [];

    /// <summary>Takes a half.</summary>
    /// <param name="now">The time.</param>
    /// <param name="sender">
    /// Whom it is from, to the same object as the other half: its session, so that an identifier means nothing beyond that.
    /// </param>
    /// <param name="frame">The frame, with its padding.</param>
    /// <param name="ecn">The ECN bits of the datagram that it came in.</param>
    /// <param name="packet">Receives the packet that is whole now: <see cref="MaximumLength"/> bytes.</param>
    /// <returns>Whether there is one, and what was lost.</returns>
    public FragmentOutcome Take(Instant now, object sender, ReadOnlySpan<byte> frame, byte ecn, Span<byte> packet)
    {
        if (!FragmentFrame.TryRead(frame, out uint id, out bool isSecond, out ReadOnlySpan<byte> body))
            return new FragmentOutcome { IsMalformed = true };
        int lost = 0, own = 0, free = -1, oldest = 0, oldestOwn = -1, same = -1;
        for (int i = 0; i < Capacity; i++)
        {
            ref Place place = ref _places[i];
            if (place.Sender is not null && now - place.Since >= Patience)
            {
                place = default;
                lost++;
            }
            if (place.Sender is null)
            {
                free = i;
                continue;
            }
            if (place.Since < _places[oldest].Since || _places[oldest].Sender is null)
                oldest = i;
            if (place.Sender != sender)
                continue;
            own++;
            if (oldestOwn < 0 || place.Since < _places[oldestOwn].Since)
                oldestOwn = i;
            if (place.Id != id)
                continue;
            if (place.IsSecond != isSecond)
                return Join(i, body, ecn, packet) with { Lost = lost };
            same = i; // which cannot be the same packet's
        }
        int taken = same >= 0 ? same : own >= CapacityOfOne ? oldestOwn : free >= 0 ? free : oldest;
        lost += _places[taken].Sender is null ? 0 : 1;
        if (_bodies.Length == 0)
            _bodies = new byte[Capacity * FragmentFrame.MaximumBody];
        body.CopyTo(BodyOf(taken));
        _places[taken] = new Place { Sender = sender, Id = id, IsSecond = isSecond, Length = body.Length, Ecn = ecn, Since = now };
        return new FragmentOutcome { Lost = lost };
    }

    // Congestion that was met by one half was met by the packet (RFC 3168 section 5.3).
    private FragmentOutcome Join(int index, ReadOnlySpan<byte> body, byte ecn, Span<byte> packet)
    {
        Place place = _places[index];
        _places[index] = default;
        ReadOnlySpan<byte> other = BodyOf(index)[..place.Length];
        other.CopyTo(packet[(place.IsSecond ? body.Length : 0)..]);
        body.CopyTo(packet[(place.IsSecond ? 0 : other.Length)..]);
        return new FragmentOutcome
        {
            Length = other.Length + body.Length,
            Ecn = place.Ecn == Ip.Ecn.Ce ? place.Ecn : ecn,
        };
    }

    private Span<byte> BodyOf(int index) => _bodies.AsSpan(index * FragmentFrame.MaximumBody, FragmentFrame.MaximumBody);

    private struct Place
    {
        public object? Sender;
        public uint Id;
        public bool IsSecond;
        public byte Ecn;
        public int Length;
        public Instant Since;
    }
}

/// <summary>What came of a half of a packet.</summary>
public readonly record struct FragmentOutcome
{
    /// <summary>Bytes of the packet that is whole now; 0 if there is none.</summary>
    public int Length { get; init; }

    /// <summary>The ECN bits that it has met on the way.</summary>
    public byte Ecn { get; init; }

    /// <summary>How many halves were given up.</summary>
    public int Lost { get; init; }

    /// <summary>Whether the frame was none.</summary>
    public bool IsMalformed { get; init; }
}
