using System.Buffers.Binary;

namespace Kedge.Crypto;

/// <summary>
/// ChaCha20-Poly1305 by libcrypto: batches of packets under one key, and single messages. Thread-safe but for <see cref="Dispose"/>, which
/// comes after the last call.
/// </summary>
internal sealed class LibcryptoAead : IPacketAead
{
    // One context for each of the threads that meet here: two that seal and one that opens, and one to spare.
    private const int MaximumSpare = 4;

    [ThreadStatic]
    private static CipherContext? _single;

    private readonly byte[] _key;
    private readonly CipherContext?[] _spare = new CipherContext?[MaximumSpare];

    /// <param name="key">The key, 32 bytes. It stays the caller's, who keeps it until this is disposed.</param>
    public LibcryptoAead(byte[] key) => _key = key;

    /// <summary>This thread's context for single messages; without a key between them.</summary>
    public static CipherContext Single => _single ??= new();

    /// <summary>How many contexts wait to be used; each holds the key.</summary>
    public int SpareContexts => _spare.Count(context => context is not null);

    public void Seal(Span<AeadPacket> packets)
    {
        // A context that an exception keeps from being returned is freed by its finalizer.
        CipherContext context = Rent();
        Span<byte> nonce = stackalloc byte[ChaCha20Poly1305.NonceSize];
        nonce.Clear();
        foreach (ref AeadPacket packet in packets)
        {
            packet.RequireSound(sealing: true);
            ReadOnlySpan<byte> source = packet.Source.AsSpan(packet.SourceOffset, packet.Length);
            Span<byte> destination = packet.Destination.AsSpan(packet.DestinationOffset, packet.Length + ChaCha20Poly1305.TagSize);
            BinaryPrimitives.WriteUInt64LittleEndian(nonce[4..], packet.Counter);
            context.Seal(nonce, default, source, destination);
        }
        Return(context);
    }

    public void Open(Span<AeadPacket> packets)
    {
        CipherContext context = Rent();
        Span<byte> nonce = stackalloc byte[ChaCha20Poly1305.NonceSize];
        nonce.Clear();
        foreach (ref AeadPacket packet in packets)
        {
            packet.RequireSound(sealing: false);
            ReadOnlySpan<byte> source = packet.Source.AsSpan(packet.SourceOffset, packet.Length + ChaCha20Poly1305.TagSize);
            Span<byte> destination = packet.Destination.AsSpan(packet.DestinationOffset, packet.Length);
            BinaryPrimitives.WriteUInt64LittleEndian(nonce[4..], packet.Counter);
            packet.Authentic = context.Open(nonce, default, source, destination);
        }
        Return(context);
    }

    /// <summary>Frees the contexts, which wipes the key in them. The key that was handed in is the caller's to zero.</summary>
    public void Dispose()
    {
        for (int i = 0; i < _spare.Length; i++)
            Interlocked.Exchange(ref _spare[i], null)?.Dispose();
    }

    /// <summary>Seals one message; all lengths have been checked.</summary>
    public static void Seal(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        ReadOnlySpan<byte> associatedData,
        ReadOnlySpan<byte> plaintext,
        Span<byte> destination)
    {
        RefuseShifted(plaintext, destination);
        CipherContext context = Single;
        try
        {
            context.SetKey(key);
            context.Seal(nonce, associatedData, plaintext, destination);
        }
        finally
        {
            context.Clear();
        }
    }

    /// <summary>Opens one message; all lengths have been checked. Where the tag is wrong the plaintext is zero.</summary>
    public static bool TryOpen(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        ReadOnlySpan<byte> associatedData,
        ReadOnlySpan<byte> ciphertextAndTag,
        Span<byte> plaintext)
    {
        RefuseShifted(ciphertextAndTag, plaintext);
        CipherContext context = Single;
        try
        {
            context.SetKey(key);
            return context.Open(nonce, associatedData, ciphertextAndTag, plaintext);
        }
        finally
        {
            context.Clear();
        }
    }

    private CipherContext Rent()
    {
        for (int i = 0; i < _spare.Length; i++)
        {
            if (Interlocked.Exchange(ref _spare[i], null) is { } spare)
                return spare;
        }
        var context = new CipherContext();
        context.SetKey(_key);
        return context;
    }

    private void Return(CipherContext context)
    {
        for (int i = 0; i < _spare.Length; i++)
        {
            if (Interlocked.CompareExchange(ref _spare[i], context, null) is null)
                return;
        }
        context.Dispose();
    }

    // Some of libcrypto's ciphers read behind what they have written when the result is shifted against the source.
    private static void RefuseShifted(ReadOnlySpan<byte> source, ReadOnlySpan<byte> destination)
    {
        if (source.Overlaps(destination, out int shift) && shift != 0)
            throw new ArgumentException("A packet and its result either begin at the same byte or do not overlap.");
    }
}
