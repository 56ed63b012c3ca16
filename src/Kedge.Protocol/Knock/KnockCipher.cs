using System.Buffers.Binary;
using Kedge.Protocol.Noise;
using ChaCha20Poly1305 = Kedge.Crypto.ChaCha20Poly1305;

namespace Kedge.Protocol.Knock;

/// <summary>
/// Seals and opens the parts and results of one knock, at one of its ends. Counters only grow, so that nothing is taken twice. One thread
/// at a time.
/// </summary>
/// <param name="keys">The keys; owned by this object, and zeroed on disposal.</param>
/// <param name="isInitiator">Whether this end is the initiator.</param>
internal sealed class KnockCipher(SessionKeys keys, bool isInitiator) : IDisposable
{
    /// <summary>Bytes that a datagram is longer than its plaintext.</summary>
    public const int Overhead = KnockMessage.HeaderSize + ChaCha20Poly1305.TagSize;

    private const int CounterOffset = 8;

    private ulong _nextCounter;
    private ulong _leastCounter;

    /// <summary>Seals a message.</summary>
    /// <param name="type">Its first byte.</param>
    /// <param name="receiver">The receiver's index.</param>
    /// <param name="datagram">Has the plaintext behind the first 16 bytes; receives the datagram.</param>
    /// <param name="length">Bytes of the plaintext.</param>
    /// <returns>Bytes of the datagram.</returns>
    public int Seal(byte type, uint receiver, Span<byte> datagram, int length)
    {
        datagram = datagram[..(length + Overhead)];
        KnockMessage.WriteHeader(datagram, type, receiver);
        BinaryPrimitives.WriteUInt64LittleEndian(datagram[CounterOffset..], _nextCounter);
        Span<byte> plaintext = datagram.Slice(KnockMessage.HeaderSize, length);
        ReadOnlySpan<byte> key = isInitiator ? keys.Initiator : keys.Responder;
        ChaCha20Poly1305.Seal(key, _nextCounter, KnockMessage.HeaderOf(datagram), plaintext, datagram[KnockMessage.HeaderSize..]);
        _nextCounter++;
        return datagram.Length;
    }

    /// <summary>Opens a message where it lies.</summary>
    /// <param name="datagram">The datagram, at least <see cref="Overhead"/> bytes.</param>
    /// <param name="plaintext">The plaintext within it.</param>
    /// <returns>Whether it is from the other end and later than all before it; otherwise the datagram is used up.</returns>
    public bool TryOpen(Span<byte> datagram, out Span<byte> plaintext)
    {
        ulong counter = BinaryPrimitives.ReadUInt64LittleEndian(datagram[CounterOffset..]);
        plaintext = datagram[KnockMessage.HeaderSize..^ChaCha20Poly1305.TagSize];
        ReadOnlySpan<byte> key = isInitiator ? keys.Responder : keys.Initiator;
        bool isAuthentic = counter >= _leastCounter
            && counter != ulong.MaxValue
            && ChaCha20Poly1305.TryOpen(key, counter, KnockMessage.HeaderOf(datagram), datagram[KnockMessage.HeaderSize..], plaintext);
        if (isAuthentic)
            _leastCounter = counter + 1;
        return isAuthentic;
    }

    /// <inheritdoc/>
    public void Dispose() => keys.Dispose();
}
