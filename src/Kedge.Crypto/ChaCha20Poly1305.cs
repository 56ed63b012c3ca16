using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Kedge.Crypto;

/// <summary>
/// ChaCha20-Poly1305 (RFC 8439, section 2.8) as WireGuard uses it: the nonce is four zero bytes and a 64-bit little-endian counter.
/// <para>
/// An instance holds one key and works on batches of packets without associated data. It is thread-safe: several threads may seal and open
/// at once and another may dispose it at any moment. No batch is ever sealed or opened with a key that has been zeroed: calls that
/// come after <see cref="Dispose"/> return false, and calls that are under way finish with the key intact.
/// </para>
/// </summary>
public sealed class ChaCha20Poly1305 : IDisposable
{
    /// <summary>Bytes of a key.</summary>
    public const int KeySize = 32;

    /// <summary>Bytes of a nonce.</summary>
    public const int NonceSize = 12;

    /// <summary>Bytes of a tag.</summary>
    public const int TagSize = 16;

    // In _state: this bit, set by Dispose, and below it the number of threads inside a batch.
    private const int Disposed = 1 << 30;

    // Pinned, so that the garbage collector leaves no copies of it behind.
    private readonly byte[] _key = GC.AllocateUninitializedArray<byte>(KeySize, pinned: true);
    private readonly IPacketAead _aead;
    private int _state;

    /// <summary>Makes a cipher for one key.</summary>
    /// <param name="key">The key, 32 bytes; copied.</param>
    /// <exception cref="ArgumentException">The key has another length.</exception>
    /// <inheritdoc cref="Implementation" path="/exception"/>
    public ChaCha20Poly1305(ReadOnlySpan<byte> key)
        : this(key, AeadImplementation.Chosen.Implementation)
    {
    }

    /// <summary>Makes a cipher of an implementation that this CPU supports.</summary>
    internal ChaCha20Poly1305(ReadOnlySpan<byte> key, AeadImplementation implementation)
    {
        Argument.RequireLength(key, KeySize);
        key.CopyTo(_key);
        _aead = implementation.Create(_key);
    }

    /// <summary>
    /// What seals and opens batches in this process: <c>avx512</c>, <c>avx2</c> or <c>libcrypto</c>. Chosen once, by what the CPU has and
    /// by the environment variable KEDGE_AEAD, which names one of them. The first use of this or of an instance chooses, tests the choice
    /// with known answers and has it compiled, which takes some 50 ms; a program calls here before it serves.
    /// </summary>
    /// <exception cref="PlatformNotSupportedException">
    /// KEDGE_AEAD names what there is not, or not on this CPU, and the message says what there is; or there is no libcrypto.
    /// </exception>
    /// <exception cref="CryptographicException">The self-test failed.</exception>
    public static string Implementation => AeadImplementation.Chosen.Implementation.Name;

    /// <summary>Why it is that one, as a clause that continues "because": for a person to read.</summary>
    /// <inheritdoc cref="Implementation" path="/exception"/>
    public static string ImplementationReason => AeadImplementation.Chosen.Reason;

    /// <summary>What seals and opens.</summary>
    internal IPacketAead Aead => _aead;

    /// <summary>The key, or 32 zeros once this is disposed and no thread is inside.</summary>
    internal ReadOnlySpan<byte> Key => _key;

    /// <summary>
    /// Seals each packet: writes its ciphertext and behind that its tag, <see cref="AeadPacket.Length"/> + 16 bytes, to its destination.
    /// The caller sees to it that no counter is used twice. Allocates nothing but for the first batches.
    /// </summary>
    /// <returns>False where this is disposed; then nothing was done.</returns>
    /// <exception cref="ArgumentException">
    /// A packet lies outside its arrays, or overlaps its result without beginning at the same byte. The packets before it are done.
    /// </exception>
    public bool Seal(Span<AeadPacket> packets)
    {
        if (!TryEnter())
            return false;
        try
        {
            _aead.Seal(packets);
            return true;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>
    /// Opens each packet: reads <see cref="AeadPacket.Length"/> + 16 bytes at its source, writes the plaintext to its destination and says
    /// in <see cref="AeadPacket.Authentic"/> whether the tag was right; where not, the destination is zeroed. Allocates nothing but for the
    /// first batches.
    /// </summary>
    /// <inheritdoc cref="Seal(Span{AeadPacket})"/>
    public bool Open(Span<AeadPacket> packets)
    {
        if (!TryEnter())
            return false;
        try
        {
            _aead.Open(packets);
            return true;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Ends all use. The key is zeroed at once, or by the last thread that is still inside when it leaves.</summary>
    public void Dispose()
    {
        if (Interlocked.Or(ref _state, Disposed) == 0)
            Zero();
    }

    /// <summary>Seals one message of a handshake.</summary>
    /// <param name="key">The key, 32 bytes.</param>
    /// <param name="counter">The counter of the nonce; never the same twice for one key.</param>
    /// <param name="associatedData">What is authenticated but not encrypted; may be empty.</param>
    /// <param name="plaintext">The message; may be empty.</param>
    /// <param name="destination">Receives ciphertext and tag: 16 bytes more than the plaintext. May begin where the plaintext does.</param>
    /// <exception cref="ArgumentException">A length is wrong, or plaintext and destination overlap without beginning together.</exception>
    public static void Seal(
        ReadOnlySpan<byte> key, ulong counter, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> plaintext, Span<byte> destination)
    {
        Span<byte> nonce = stackalloc byte[NonceSize];
        WriteNonce(nonce, counter);
        Seal(key, nonce, associatedData, plaintext, destination);
    }

    /// <summary>Opens one message of a handshake.</summary>
    /// <param name="key">The key, 32 bytes.</param>
    /// <param name="counter">The counter of the nonce.</param>
    /// <param name="associatedData">What was authenticated but not encrypted.</param>
    /// <param name="ciphertextAndTag">What sealing wrote, at least 16 bytes.</param>
    /// <param name="plaintext">
    /// Receives the message: 16 bytes less than <paramref name="ciphertextAndTag"/>. May begin where that does. Zeroed where the tag is
    /// wrong.
    /// </param>
    /// <returns>Whether the tag was right.</returns>
    /// <exception cref="ArgumentException">A length is wrong, or ciphertext and plaintext overlap without beginning together.</exception>
    public static bool TryOpen(
        ReadOnlySpan<byte> key, ulong counter, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> ciphertextAndTag, Span<byte> plaintext)
    {
        Span<byte> nonce = stackalloc byte[NonceSize];
        WriteNonce(nonce, counter);
        return TryOpen(key, nonce, associatedData, ciphertextAndTag, plaintext);
    }

    /// <summary>Seals one message under a nonce of the caller's own making, 12 bytes; never the same twice for one key.</summary>
    /// <inheritdoc cref="Seal(ReadOnlySpan{byte}, ulong, ReadOnlySpan{byte}, ReadOnlySpan{byte}, Span{byte})"/>
    public static void Seal(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        ReadOnlySpan<byte> associatedData,
        ReadOnlySpan<byte> plaintext,
        Span<byte> destination)
    {
        Argument.RequireLength(key, KeySize);
        Argument.RequireLength(nonce, NonceSize);
        Argument.RequireLength(destination, plaintext.Length + TagSize);
        LibcryptoAead.Seal(key, nonce, associatedData, plaintext, destination);
    }

    /// <summary>Opens one message under a nonce of the caller's own making, 12 bytes.</summary>
    /// <inheritdoc cref="TryOpen(ReadOnlySpan{byte}, ulong, ReadOnlySpan{byte}, ReadOnlySpan{byte}, Span{byte})"/>
    public static bool TryOpen(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        ReadOnlySpan<byte> associatedData,
        ReadOnlySpan<byte> ciphertextAndTag,
        Span<byte> plaintext)
    {
        Argument.RequireLength(key, KeySize);
        Argument.RequireLength(nonce, NonceSize);
        Argument.RequireLength(ciphertextAndTag, plaintext.Length + TagSize);
        return LibcryptoAead.TryOpen(key, nonce, associatedData, ciphertextAndTag, plaintext);
    }

    /// <summary>
    /// Counts this thread as inside, so that the key stays until <see cref="Leave"/>; false once this is disposed. From then on the number
    /// only falls, so exactly one thread finds itself the last. Tests call it to stand inside for as long as they like.
    /// </summary>
    internal bool TryEnter()
    {
        int state = Volatile.Read(ref _state);
        while ((state & Disposed) == 0)
        {
            int seen = Interlocked.CompareExchange(ref _state, state + 1, state);
            if (seen == state)
                return true;
            state = seen;
        }
        return false;
    }

    /// <summary>Ends what a successful <see cref="TryEnter"/> began.</summary>
    internal void Leave()
    {
        if (Interlocked.Decrement(ref _state) == Disposed)
            Zero();
    }

    private static void WriteNonce(Span<byte> nonce, ulong counter)
    {
        nonce[..4].Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(nonce[4..], counter);
    }

    private void Zero()
    {
        _aead.Dispose();
        CryptographicOperations.ZeroMemory(_key);
    }
}
