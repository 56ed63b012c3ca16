using System.Buffers.Binary;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Relays;

/// <summary>
/// One direction in which a relay passes datagrams on. Of what it can see without a key it lets through what is new and not too much: it must
/// not be a tool to repeat or to amplify. Any receiving thread; allocates nothing a datagram.
/// </summary>
public sealed class RelayChannel
{
    private const int Remembered = 16; // handshake messages
    private const int EphemeralOffset = 8;
    private static readonly Rate HandshakeRate = new(Burst: 20, TimeSpan.FromMilliseconds(50));

    private readonly RelaySwitch _relay;
    private readonly RelayPair _pair;
    private readonly ReceiverWindow[] _windows = [new(), new(), new()]; // sessions overlap while they are renewed
    private readonly ulong[] _handshakes = new ulong[Remembered];
    private TokenBucket _handshakeBudget;
    private int _nextHandshake;
    private int _nextWindow;

    internal RelayChannel(RelaySwitch relay, RelayPair pair, uint number, RelayAccount sender, RelayAccount receiver) =>
        (_relay, _pair, Number, Sender, To) = (relay, pair, number, sender, receiver.Peer);

    /// <summary>The number in front of each datagram.</summary>
    public uint Number { get; }

    /// <summary>Who sends.</summary>
    public PeerTunnel From => Sender.Peer;

    /// <summary>Who receives.</summary>
    public PeerTunnel To { get; }

    /// <summary>What is done for <see cref="From"/>.</summary>
    internal RelayAccount Sender { get; }

    /// <summary>Decides whether a datagram is passed on.</summary>
    /// <param name="now">The time.</param>
    /// <param name="source">Where it came from.</param>
    /// <param name="datagram">The datagram with its header, of the kind <see cref="DatagramKind.Relay"/>.</param>
    /// <returns><see cref="DropReason.None"/> if it is, and is counted then.</returns>
    public DropReason Admit(Instant now, Endpoint source, Span<byte> datagram)
    {
        // Where the sender's session is now: nobody else uses the channel, whoever has seen its number.
        if (From.Path is not { Relay: null } path || path.Remote != source)
            return DropReason.RelayRefused;
        Span<byte> inner = datagram[RelayHeader.Size..];
        lock (_pair.Lock)
        {
            DropReason reason = Datagram.Classify(inner) switch
            {
                DatagramKind.TransportData => AdmitTransport(inner),
                DatagramKind.HandshakeInitiation or DatagramKind.HandshakeResponse or DatagramKind.CookieReply => AdmitHandshake(now, inner),
                _ => DropReason.RelayRefused,
            };
            if (reason != DropReason.None)
                return reason;
            if (!_pair.Budget.TrySpend(now, _relay.PairRate, datagram.Length))
                return DropReason.RelayRateLimited;
            _pair.LastUse = now;
        }
        if (!_relay.TrySpend(now, datagram.Length))
            return DropReason.RelayRateLimited;
        Sender.Add(datagram.Length);
        return DropReason.None;
    }

    private DropReason AdmitTransport(Span<byte> inner)
    {
        var message = new TransportData(inner);
        foreach (ReceiverWindow window in _windows)
            if (window.Receiver == message.Receiver && window.IsUsed)
                return window.Counters.TryAccept(message.Counter) ? DropReason.None : DropReason.RelayReplayed;
        ReceiverWindow next = _windows[_nextWindow];
        _nextWindow = (_nextWindow + 1) % _windows.Length;
        next.Begin(message.Receiver);
        return next.Counters.TryAccept(message.Counter) ? DropReason.None : DropReason.RelayReplayed;
    }

    private DropReason AdmitHandshake(Instant now, ReadOnlySpan<byte> inner)
    {
        ulong ephemeral = BinaryPrimitives.ReadUInt64LittleEndian(inner[EphemeralOffset..]);
        if (_handshakes.AsSpan().Contains(ephemeral))
            return DropReason.RelayReplayed;
        if (!TokenBucket.TryTake(ref _handshakeBudget, now, HandshakeRate))
            return DropReason.RelayRateLimited;
        _handshakes[_nextHandshake] = ephemeral;
        _nextHandshake = (_nextHandshake + 1) % Remembered;
        return DropReason.None;
    }

    private sealed class ReceiverWindow
    {
        public uint Receiver { get; private set; }

        public bool IsUsed { get; private set; }

        public ReplayWindow Counters { get; } = new();

        public void Begin(uint receiver)
        {
            (Receiver, IsUsed) = (receiver, true);
            Counters.Clear();
        }
    }
}
