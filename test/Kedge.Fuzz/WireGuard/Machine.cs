using Kedge.Crypto;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard;

/// <summary>What became of a datagram that a machine received.</summary>
/// <param name="Kind">What it was taken for.</param>
/// <param name="Reason">Why it was dropped; none where it was not.</param>
/// <param name="Reply">The datagram that answers it; null for none.</param>
/// <param name="Session">The session that it was accepted in, when it was authentic transport data.</param>
/// <param name="Counter">Its counter in that session.</param>
/// <param name="Packet">The packet for the tunnel; null for none.</param>
internal sealed record Reception(
    DatagramKind Kind, DropReason Reason, byte[]? Reply = null, KeyPair? Session = null, ulong Counter = 0, byte[]? Packet = null)
{
    /// <summary>Whether it was good for something.</summary>
    public bool IsAccepted => Reason == DropReason.None;
}

/// <summary>
/// A <see cref="WireGuardDevice"/> and what its threads do with it: sorts, opens and accepts, seals and stages, polls. Everything follows
/// from the number that it was made with; nothing is checked here.
/// </summary>
internal sealed class Machine : IDisposable
{
    /// <summary>Bytes of the longest packet that is sent.</summary>
    public const int MaximumPacket = 2048;

    private readonly AeadPacket[] _batch = new AeadPacket[1];
    private readonly byte[] _sending = new byte[MaximumPacket + TransportData.Overhead + TransportData.PaddingMultiple];
    private readonly byte[] _reply = new byte[HandshakeInitiation.Size];

    /// <summary>A machine with a key and no peers.</summary>
    /// <param name="number">Which machine: its addresses follow from it. 0 to 250.</param>
    /// <param name="privateKey">Its static private key.</param>
    /// <param name="timing">The times in force.</param>
    /// <param name="seed">What its random bytes follow from.</param>
    /// <param name="reserved">The timestamps reserved on its disk.</param>
    public Machine(int number, byte[] privateKey, Timing timing, int seed, Tai64N reserved = default)
    {
        Number = number;
        Address = new Endpoint(IpAddress.IPv4(0xC0_00_02_00 + (uint)number), 51820);
        Reserved = reserved;
        var random = new Random(seed);
        Device = new WireGuardDevice(timing, bytes => random.NextBytes(bytes), () => Attention = true);
        UseKey(privateKey);
    }

    /// <summary>A machine with the specification's times and a key of its own.</summary>
    public Machine(int number)
        : this(number, NewKey(number), Timing.Default, number)
    {
    }

    /// <summary>Which machine.</summary>
    public int Number { get; }

    /// <summary>Its device.</summary>
    public WireGuardDevice Device { get; }

    /// <summary>Its static public key.</summary>
    public PublicKey PublicKey { get; private set; }

    /// <summary>Where its socket is.</summary>
    public Endpoint Address { get; set; }

    /// <summary>The timestamps reserved on its disk.</summary>
    public Tai64N Reserved { get; private set; }

    /// <summary>Whether the device asked to be polled, since this was last cleared.</summary>
    public bool Attention { get; set; }

    /// <summary>Its own address inside the tunnel: 10.0.0.<see cref="Number"/>.</summary>
    public IpAddress Inner => InnerAddress(Number);

    /// <summary>The address inside the tunnel of a machine.</summary>
    public static IpAddress InnerAddress(int number) => IpAddress.IPv4(0x0A_00_00_00 + (uint)number);

    /// <summary>A private key, or any other 32 bytes, that follows from a number.</summary>
    public static byte[] NewKey(int number)
    {
        var key = new byte[X25519.KeySize];
        new Random(number).NextBytes(key);
        return key;
    }

    /// <summary>Takes another key.</summary>
    public void UseKey(byte[] privateKey)
    {
        var identity = new LocalIdentity(privateKey);
        PublicKey = identity.PublicKey;
        Device.SetIdentity(identity, new TimestampSource(Reserved, reserved => Reserved = reserved));
    }

    /// <summary>Adds a machine as a peer that may use its own inner address, and knows where it is.</summary>
    public PeerTunnel AddPeer(Machine other)
    {
        PeerTunnel peer = Device.AddPeer(other.PublicKey);
        peer.Path = new PeerPath(other.Address, default);
        Device.AllowedIps.Insert(new IpPrefix(other.Inner, 32), peer);
        return peer;
    }

    /// <summary>Sorts a datagram and does with it what its kind asks for. The array stays as it is.</summary>
    public Reception Receive(Instant now, ReadOnlySpan<byte> datagram, Endpoint from, bool isUnderLoad = false, byte outerEcn = 0)
    {
        byte[] bytes = datagram.ToArray();
        DatagramKind kind = Datagram.Classify(bytes);
        switch (kind)
        {
            case DatagramKind.TransportData:
                return ReceiveData(now, bytes, from, outerEcn);
            case DatagramKind.HandshakeInitiation or DatagramKind.HandshakeResponse or DatagramKind.CookieReply:
                Outcome outcome = Device.ReceiveHandshake(now, bytes, from, Address, isUnderLoad, _reply);
                Attention = true;
                byte[]? reply = outcome.Kind == OutcomeKind.ToNetwork ? _reply[..outcome.Length] : null;
                return new Reception(kind, outcome.Reason, reply);
            default:
                return new Reception(kind, DropReason.UnknownDatagram);
        }
    }

    /// <summary>Seals a packet with the current session.</summary>
    /// <returns>The datagram; null where there is no session.</returns>
    public byte[]? Seal(Instant now, PeerTunnel peer, ReadOnlySpan<byte> packet)
    {
        packet.CopyTo(_sending.AsSpan(TransportData.HeaderSize));
        _batch[0] = InPlace(_sending, packet.Length);
        return peer.TrySeal(now, _batch, Device.Mtu) ? _sending[..(_batch[0].Length + TransportData.Overhead)] : null;
    }

    /// <summary>Seals the packet that has waited longest; null where none waits or there is no session.</summary>
    public byte[]? SealStaged(Instant now, PeerTunnel peer) => peer.TrySealStaged(now, _sending, out int length) ? _sending[..length] : null;

    /// <summary>Has a peer do one thing that is due; null where nothing is.</summary>
    public byte[]? Poll(Instant now, DateTimeOffset wallClock, PeerTunnel peer) =>
        peer.Poll(now, wallClock, _sending) is { Kind: OutcomeKind.ToNetwork, Length: var length } ? _sending[..length] : null;

    /// <inheritdoc/>
    public void Dispose() => Device.Dispose();

    private Reception ReceiveData(Instant now, byte[] bytes, Endpoint from, byte outerEcn)
    {
        var message = new TransportData(bytes);
        ulong counter = message.Counter;
        if (Device.FindSession(message.Receiver) is not { } session)
            return new Reception(DatagramKind.TransportData, DropReason.UnknownIndex);
        _batch[0] = InPlace(bytes, bytes.Length - TransportData.Overhead);
        _batch[0].Counter = counter;
        if (!session.Open(_batch))
            return new Reception(DatagramKind.TransportData, DropReason.SessionExpired);
        DropReason reason = DropReason.None;
        session.Judge(_batch, new Span<DropReason>(ref reason));
        if (reason == DropReason.NotAuthentic)
            return new Reception(DatagramKind.TransportData, reason);
        if (reason != DropReason.None)
            return new Reception(DatagramKind.TransportData, reason, null, session, counter, null);
        Span<byte> plaintext = bytes.AsSpan(TransportData.HeaderSize, _batch[0].Length);
        reason = session.Peer.Accept(now, session, plaintext, from, Address, outerEcn, out int length);
        return new Reception(DatagramKind.TransportData, reason, null, session, counter, length > 0 ? plaintext[..length].ToArray() : null);
    }

    private static AeadPacket InPlace(byte[] bytes, int length) => new()
    {
        Source = bytes,
        SourceOffset = TransportData.HeaderSize,
        Destination = bytes,
        DestinationOffset = TransportData.HeaderSize,
        Length = length,
    };
}
