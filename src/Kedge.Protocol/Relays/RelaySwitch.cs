using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Threading;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Relays;

/// <summary>
/// What a relay passes on, and between whom: ciphertext that it cannot read, between two peers of its own, where both have agreed. Owned by the
/// control thread, but for <see cref="Find(uint)"/>.
/// </summary>
/// <param name="random">Bytes that nobody can predict.</param>
public sealed class RelaySwitch(RandomBytes random)
{
    /// <summary>Bits a second that a pair may send unless something else is asked for.</summary>
    public const long DefaultRate = 100_000_000;

    /// <summary>How many pairs there are at most, and of one peer.</summary>
    public const int MaximumPairs = 8192, MaximumPairsOfPeer = 256;

    /// <summary>How long a pair is kept that nothing is passed on for.</summary>
    public static readonly TimeSpan IdleTime = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan SweepInterval = TimeSpan.FromMinutes(1);

    private const int BitsInByte = 8;

    private readonly ConcurrentDictionary<uint, RelayChannel> _channels = new();
    private readonly Dictionary<(PeerTunnel, PeerTunnel), RelayPair> _pairs = [];
    private readonly Dictionary<PeerTunnel, RelayAccount> _accounts = [];
    private readonly TotalBudget _budget = new();
    private Instant _sweepAt;
    private long _pairRate = DefaultRate / BitsInByte;
    private volatile bool _isOn;

    /// <summary>Whether this device is a relay. Any thread.</summary>
    public bool IsOn => _isOn;

    /// <summary>How many pairs there are.</summary>
    public int Pairs => _pairs.Count;

    /// <summary>Bits a second that a pair may send; 0 for no limit. Any thread.</summary>
    public long BitsPerSecond => PairRate * BitsInByte;

    /// <summary>Bytes a second that a pair may send; 0 for no limit. Any thread.</summary>
    internal long PairRate => Volatile.Read(ref _pairRate);

    /// <summary>Makes this device a relay, or none.</summary>
    /// <param name="isOn">Whether it is one.</param>
    /// <param name="bitsPerSecond">What a pair may send; 0 for no limit.</param>
    public void Use(bool isOn, long bitsPerSecond)
    {
        Volatile.Write(ref _pairRate, bitsPerSecond / BitsInByte);
        _isOn = isOn;
        if (!isOn)
            foreach ((PeerTunnel, PeerTunnel) pair in _pairs.Keys.ToArray())
                Remove(pair);
    }

    /// <summary>The channel of a number; null if there is none. Any thread; allocates nothing.</summary>
    public RelayChannel? Find(uint channel) => _channels.GetValueOrDefault(channel);

    /// <summary>Bytes passed on for a peer: what it has sent.</summary>
    public long BytesOf(PeerTunnel peer) => _accounts.GetValueOrDefault(peer)?.Bytes ?? 0;

    /// <summary>Forgets a peer, and what was passed on for it.</summary>
    public void Remove(PeerTunnel peer)
    {
        foreach ((PeerTunnel, PeerTunnel) pair in _pairs.Keys.Where(pair => pair.Item1 == peer || pair.Item2 == peer).ToArray())
            Remove(pair);
        _accounts.Remove(peer);
    }

    /// <summary>The pair of two peers, which is made if there is none, in the place of those that nothing is passed on for.</summary>
    /// <returns>Null if one of them has too many.</returns>
    internal RelayPair? Open(Instant now, PeerTunnel first, PeerTunnel second)
    {
        if (Find(first, second) is { } known)
        {
            known.LastUse = now;
            return known;
        }
        RemoveIdle(now);
        RelayAccount ofFirst = AccountOf(first), ofSecond = AccountOf(second);
        if (_pairs.Count >= MaximumPairs || ofFirst.Pairs >= MaximumPairsOfPeer || ofSecond.Pairs >= MaximumPairsOfPeer)
            return null;
        var pair = new RelayPair(this, ofFirst, NewNumber(), ofSecond, NewNumber()) { LastUse = now };
        _pairs[(first, second)] = pair;
        foreach (RelayChannel channel in pair.Channels)
        {
            _channels[channel.Number] = channel;
            channel.Sender.Pairs++;
        }
        return pair;
    }

    /// <summary>The pair of two peers; null if there is none.</summary>
    internal RelayPair? Find(PeerTunnel first, PeerTunnel second) =>
        _pairs.GetValueOrDefault((first, second)) ?? _pairs.GetValueOrDefault((second, first));

    /// <summary>Spends what all pairs have in common. Any thread.</summary>
    internal bool TrySpend(Instant now, int bytes) => _budget.TrySpend(now, PairRate, bytes);

    // There are more only where new ones are made. A walk over all of them is worth it once in a while.
    private void RemoveIdle(Instant now)
    {
        if (now < _sweepAt)
            return;
        _sweepAt = now + SweepInterval;
        foreach (((PeerTunnel, PeerTunnel) pair, RelayPair channels) in _pairs.ToArray())
            if (now - channels.LastUse > IdleTime)
                Remove(pair);
    }

    private RelayAccount AccountOf(PeerTunnel peer) =>
        _accounts.TryGetValue(peer, out RelayAccount? account) ? account : _accounts[peer] = new RelayAccount(peer);

    private void Remove((PeerTunnel, PeerTunnel) key)
    {
        if (!_pairs.Remove(key, out RelayPair? pair))
            return;
        foreach (RelayChannel channel in pair.Channels)
        {
            _channels.TryRemove(channel.Number, out _);
            channel.Sender.Pairs--;
        }
    }

    private uint NewNumber()
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        uint number;
        do
        {
            random(bytes);
            number = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        }
        while (number == 0 || _channels.ContainsKey(number));
        return number;
    }
}
