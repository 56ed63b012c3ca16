using System.Buffers.Binary;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard.Tunnels;

/// <summary>A transport message as it left.</summary>
/// <param name="From">The sender's key.</param>
/// <param name="To">The key of the peer that it is for.</param>
/// <param name="Packet">What is inside; null for a keepalive.</param>
internal sealed record SealedMessage(PublicKey From, PublicKey To, byte[]? Packet)
{
    /// <summary>Whether somebody has accepted it.</summary>
    public bool IsAccepted { get; set; }
}

/// <summary>An initiation as it left.</summary>
/// <param name="Machine">The sender.</param>
/// <param name="Peer">The sender's peer that it is for.</param>
/// <param name="From">The sender's key.</param>
/// <param name="To">The key of the peer.</param>
/// <param name="Number">How many initiations of the sender came before it.</param>
/// <param name="Index">The index that the response is awaited under.</param>
internal sealed record SentInitiation(Machine Machine, PeerTunnel Peer, PublicKey From, PublicKey To, int Number, uint Index);

/// <summary>A response as it left.</summary>
/// <param name="Initiation">What it answers.</param>
/// <param name="From">The sender's key.</param>
/// <param name="PresharedKey">The preshared key that it was made with.</param>
internal sealed record SentResponse(SentInitiation Initiation, PublicKey From, byte[] PresharedKey);

/// <summary>
/// Everything that ever left a machine, so that what is accepted somewhere can be held against it. Messages are known by a part that no
/// forger can keep while changing what matters: the tag, or the ephemeral key.
/// </summary>
internal sealed class Ledger
{
    private readonly Dictionary<(uint Receiver, ulong Counter, UInt128 Tag), SealedMessage> _sealed = [];
    private readonly Dictionary<UInt128, SentInitiation> _initiations = [];
    private readonly Dictionary<UInt128, SentResponse> _responses = [];

    /// <summary>How many initiations have left.</summary>
    public int Initiations => _initiations.Count;

    public void Add(byte[] datagram, SealedMessage message) =>
        Invariant.Holds(_sealed.TryAdd(KeyOf(datagram), message), "no two transport messages are the same");

    public void Add(byte[] datagram, SentInitiation initiation) =>
        Invariant.Holds(_initiations.TryAdd(EphemeralOf(datagram, 8), initiation), "no ephemeral key is used twice");

    public void Add(byte[] datagram, SentResponse response) =>
        Invariant.Holds(_responses.TryAdd(EphemeralOf(datagram, 12), response), "no ephemeral key is used twice");

    public SealedMessage? FindSealed(byte[] datagram) => _sealed.GetValueOrDefault(KeyOf(datagram));

    public SentInitiation? FindInitiation(byte[] datagram) => _initiations.GetValueOrDefault(EphemeralOf(datagram, 8));

    public SentResponse? FindResponse(byte[] datagram) => _responses.GetValueOrDefault(EphemeralOf(datagram, 12));

    private static (uint Receiver, ulong Counter, UInt128 Tag) KeyOf(byte[] datagram)
    {
        var message = new TransportData(datagram);
        return (message.Receiver, message.Counter, BinaryPrimitives.ReadUInt128LittleEndian(datagram.AsSpan(datagram.Length - 16)));
    }

    private static UInt128 EphemeralOf(byte[] datagram, int offset) => BinaryPrimitives.ReadUInt128LittleEndian(datagram.AsSpan(offset));
}
