using System.Buffers.Binary;
using Kedge.Crypto;
using Oracle = System.Security.Cryptography.ChaCha20Poly1305;

namespace Kedge.Tests.Crypto;

public class ChaCha20Poly1305Tests
{
    private const int Guard = 64, LongestPacket = 2200;
    private const byte GuardByte = 0xa5;

    private static readonly byte[] Key = Bytes.Random(ChaCha20Poly1305.KeySize, seed: 1);
    private static readonly byte[] Plaintext = Bytes.Random(LongestPacket, seed: 2);

    /// <summary>Every implementation, out of place and in place.</summary>
    public static IEnumerable<TheoryDataRow<string, bool>> Places() =>
        from implementation in Implementations.Supported()
        from place in Enumerable.Range(0, 2)
        select new TheoryDataRow<string, bool>(implementation.Data, place == 1);

    [Theory]
    [MemberData(nameof(Places))]
    public void Packets_of_every_length_are_sealed_and_opened_and_nothing_around_them_is_touched(string implementation, bool inPlace)
    {
        using ChaCha20Poly1305 cipher = Implementations.Cipher(implementation, Key);
        AeadPacket[] batch = new AeadPacket[1];
        for (int length = 0; length <= LongestPacket; length++)
        {
            ulong counter = (ulong)length << 40 | 7;
            byte[] expected = SealByOracle(Plaintext.AsSpan(0, length), counter);
            byte[] room = Guarded(length + ChaCha20Poly1305.TagSize), other = Guarded(length + ChaCha20Poly1305.TagSize);
            Plaintext.AsSpan(0, length).CopyTo(room.AsSpan(Guard));

            batch[0] = new AeadPacket
            {
                Source = room,
                SourceOffset = Guard,
                Destination = inPlace ? room : other,
                DestinationOffset = Guard,
                Length = length,
                Counter = counter,
            };
            Assert.True(cipher.Seal(batch));
            AssertInGuards(expected, batch[0].Destination);

            (batch[0].Source, batch[0].Destination) = (batch[0].Destination, batch[0].Source);
            if (!inPlace)
                batch[0].Destination = Guarded(length);
            Assert.True(cipher.Open(batch));
            Assert.True(batch[0].Authentic);
            if (inPlace)
                AssertInGuards([.. Plaintext.AsSpan(0, length), .. expected.AsSpan(length)], batch[0].Destination);
            else
                AssertInGuards(Plaintext.AsSpan(0, length), batch[0].Destination);
        }
    }

    [Fact]
    public void A_single_message_of_every_length_is_what_the_oracle_seals()
    {
        byte[] associatedData = Bytes.Random(48, seed: 3);
        for (int length = 0; length <= LongestPacket; length += 13)
        {
            byte[] expected = SealByOracle(Plaintext.AsSpan(0, length), counter: 5, associatedData.AsSpan(0, length % 49));
            byte[] message = [.. Plaintext.AsSpan(0, length), .. new byte[ChaCha20Poly1305.TagSize]];
            ChaCha20Poly1305.Seal(Key, 5, associatedData.AsSpan(0, length % 49), message.AsSpan(0, length), message);
            Assert.Equal(expected, message);
            Assert.True(ChaCha20Poly1305.TryOpen(Key, 5, associatedData.AsSpan(0, length % 49), message, message.AsSpan(0, length)));
            Assert.Equal(Plaintext.AsSpan(0, length), message.AsSpan(0, length));
        }
    }

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void The_counter_is_the_end_of_the_nonce_in_little_endian_order(string implementation)
    {
        using ChaCha20Poly1305 cipher = Implementations.Cipher(implementation, Key);
        foreach (ulong counter in (ulong[])[0, 1, 0x0102030405060708, (1UL << 60) - 1, ulong.MaxValue])
        {
            byte[] destination = new byte[100 + ChaCha20Poly1305.TagSize];
            Assert.True(cipher.Seal([new() { Source = Plaintext, Destination = destination, Length = 100, Counter = counter }]));
            Assert.Equal(SealByOracle(Plaintext.AsSpan(0, 100), counter), destination);
        }
    }

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void Any_bit_of_the_tag_that_is_wrong_is_noticed(string implementation)
    {
        foreach (int length in (int[])[0, 1, 16, 65, 1420])
        {
            byte[] message = SealByOracle(Plaintext.AsSpan(0, length), counter: 9);
            for (int bit = 0; bit < 8 * ChaCha20Poly1305.TagSize; bit++)
                AssertForgery(implementation, message, 9, changedByte: length + bit / 8, mask: (byte)(1 << bit % 8));
        }
    }

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void Any_byte_of_the_ciphertext_that_is_wrong_is_noticed(string implementation)
    {
        byte[] message = SealByOracle(Plaintext.AsSpan(0, 600), counter: 9);
        for (int changed = 0; changed < 600; changed++)
            AssertForgery(implementation, message, 9, changed, mask: 0x80);
    }

    [Fact]
    public void A_wrong_counter_or_key_or_associated_data_is_noticed()
    {
        byte[] message = SealByOracle(Plaintext.AsSpan(0, 64), counter: 9, [1, 2, 3]), plaintext = new byte[64], otherKey = [.. Key];
        otherKey[31] ^= 1;
        Assert.True(ChaCha20Poly1305.TryOpen(Key, 9, [1, 2, 3], message, plaintext));
        Assert.False(ChaCha20Poly1305.TryOpen(Key, 8, [1, 2, 3], message, plaintext));
        Assert.False(ChaCha20Poly1305.TryOpen(otherKey, 9, [1, 2, 3], message, plaintext));
        Assert.False(ChaCha20Poly1305.TryOpen(Key, 9, [1, 2], message, plaintext));
        Assert.False(ChaCha20Poly1305.TryOpen(Key, 9, [], message, plaintext));
        Assert.True(ChaCha20Poly1305.TryOpen(Key, 9, [1, 2, 3], message, plaintext));
    }

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void A_forged_packet_in_a_batch_harms_no_other(string implementation)
    {
        const int Packets = 45, Length = 1420;
        using ChaCha20Poly1305 cipher = Implementations.Cipher(implementation, Key);
        var batch = new AeadPacket[Packets];
        for (int i = 0; i < Packets; i++)
        {
            bool forged = i % 3 == 0;
            byte[] message = SealByOracle(Plaintext.AsSpan(i, Length), (ulong)i);
            if (forged)
                message[i * 31] ^= 1;
            batch[i] = new() { Source = message, Destination = new byte[Length], Length = Length, Counter = (ulong)i, Authentic = forged };
        }
        Assert.True(cipher.Open(batch));
        for (int i = 0; i < Packets; i++)
        {
            Assert.Equal(i % 3 != 0, batch[i].Authentic);
            Assert.Equal(i % 3 == 0 ? new byte[Length] : Plaintext.AsSpan(i, Length).ToArray(), batch[i].Destination);
        }
    }

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void A_packet_outside_its_arrays_or_shifted_against_its_result_is_refused(string implementation)
    {
        using ChaCha20Poly1305 cipher = Implementations.Cipher(implementation, Key);
        byte[] room = new byte[100], elsewhere = new byte[100];

        // Sealing 84 bytes fills 100; opening them reads 100.
        var fits = new AeadPacket { Source = room, Destination = elsewhere, Length = 84 };
        Assert.True(cipher.Seal([fits]));
        Assert.True(cipher.Open([fits with { Source = elsewhere, Destination = room }]));
        foreach (AeadPacket wrong in (AeadPacket[])
            [
                fits with { Length = 85 },
                fits with { Length = -1 },
                fits with { Length = int.MaxValue },
                fits with { SourceOffset = 17 },
                fits with { SourceOffset = -1 },
                fits with { DestinationOffset = 17 },
                fits with { DestinationOffset = -1 },
                fits with { DestinationOffset = int.MaxValue },
                fits with { Destination = room, DestinationOffset = 1, Length = 20 },
                fits with { Destination = room, SourceOffset = 1, Length = 20 },
            ])
        {
            Assert.ThrowsAny<ArgumentException>(() => cipher.Seal([wrong]));
            Assert.ThrowsAny<ArgumentException>(() => cipher.Open([wrong]));
        }

        // The mistake leaves nobody inside: disposal still zeroes.
        Assert.True(cipher.Seal([fits]));
        cipher.Dispose();
        Assert.Equal(new byte[ChaCha20Poly1305.KeySize], cipher.Key);
    }

    [Fact]
    public void A_single_message_of_a_wrong_length_is_refused()
    {
        byte[] room = new byte[100];
        Assert.Throws<ArgumentException>(() => new ChaCha20Poly1305(new byte[31]));
        Assert.Throws<ArgumentException>(() => ChaCha20Poly1305.Seal(new byte[33], 0, [], new byte[4], new byte[20]));
        Assert.Throws<ArgumentException>(() => ChaCha20Poly1305.Seal(Key, 0, [], new byte[4], new byte[19]));
        Assert.Throws<ArgumentException>(() => ChaCha20Poly1305.Seal(Key, 0, [], new byte[4], new byte[21]));
        Assert.Throws<ArgumentException>(() => ChaCha20Poly1305.TryOpen(Key, 0, [], new byte[15], []));
        Assert.Throws<ArgumentException>(() => ChaCha20Poly1305.TryOpen(Key, 0, [], new byte[20], new byte[5]));
        Assert.Throws<ArgumentException>(() => ChaCha20Poly1305.Seal(Key, 0, [], room.AsSpan(0, 20), room.AsSpan(1, 36)));
        Assert.Throws<ArgumentException>(() => XChaCha20Poly1305.Seal(Key, new byte[12], [], new byte[4], new byte[20]));
    }

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void An_empty_batch_is_a_batch(string implementation)
    {
        using ChaCha20Poly1305 cipher = Implementations.Cipher(implementation, Key);
        Assert.True(cipher.Seal([]));
        Assert.True(cipher.Open([]));
    }

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void Batches_allocate_nothing_once_warm(string implementation)
    {
        using ChaCha20Poly1305 cipher = Implementations.Cipher(implementation, Key);
        var batch = new AeadPacket[45];
        for (int i = 0; i < batch.Length; i++)
            batch[i] = new() { Source = new byte[1500], Destination = new byte[1500], Length = 1420, Counter = (ulong)i };

        // The last packet is forged: refusing one is part of the steady state.
        void SealAndOpen()
        {
            cipher.Seal(batch);
            Turn(batch);
            batch[^1].Source[0] ^= 1;
            cipher.Open(batch);
            Turn(batch);
        }
        SealAndOpen();
        Assert.Equal(0, AllocatedBy(SealAndOpen, times: 100));
        Assert.True(batch[0].Authentic);
        Assert.False(batch[^1].Authentic);
    }

    [Fact]
    public void Handshake_functions_allocate_nothing_once_warm()
    {
        byte[] data = Bytes.Random(148, seed: 4), a = new byte[32], b = new byte[32], c = new byte[32], message = new byte[48];
        using var key = new X25519PrivateKey(Bytes.Random(32, seed: 5)); // What an end of a handshake makes once.
        void Handshake()
        {
            Blake2s.Hash(data, a);
            Blake2s.Mac(a, data, b.AsSpan(0, Blake2s.MacSize));
            WireGuardKdf.Derive3(a, b, a, b, c);
            key.WritePublicKey(b);
            Assert.True(key.TryAgree(b, a));
            ChaCha20Poly1305.Seal(a, 0, data, b, message);
            Assert.True(ChaCha20Poly1305.TryOpen(a, 0, data, message, b));
            XChaCha20Poly1305.Seal(a, data.AsSpan(0, XChaCha20Poly1305.NonceSize), data, b, message);
        }
        Handshake();
        Assert.Equal(0, AllocatedBy(Handshake, times: 10));
    }

    // What allocates does so every time; what the runtime does on a thread once in a while is not in all of the measurements.
    private static long AllocatedBy(Action action, int times) => Enumerable.Range(0, 5).Min(_ =>
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < times; i++)
            action();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    });

    private static void Turn(AeadPacket[] batch)
    {
        foreach (ref AeadPacket packet in batch.AsSpan())
            (packet.Source, packet.Destination) = (packet.Destination, packet.Source);
    }

    // Refused in a batch out of place and in place, and as a single message; the destination is zero each time.
    private static void AssertForgery(string implementation, byte[] message, ulong counter, int changedByte, byte mask)
    {
        byte[] forged = [.. message];
        forged[changedByte] ^= mask;
        int length = message.Length - ChaCha20Poly1305.TagSize;
        byte[] plaintext = [.. Enumerable.Repeat((byte)0xff, length)], inPlace = [.. forged];
        Assert.False(ChaCha20Poly1305.TryOpen(Key, counter, [], forged, plaintext));
        Assert.Equal(new byte[length], plaintext);

        plaintext.AsSpan().Fill(0xff);
        AeadPacket[] batch =
        [
            new() { Source = forged, Destination = plaintext, Length = length, Counter = counter, Authentic = true },
            new() { Source = inPlace, Destination = inPlace, Length = length, Counter = counter, Authentic = true },
            new() { Source = message, Destination = new byte[length], Length = length, Counter = counter },
        ];
        using ChaCha20Poly1305 cipher = Implementations.Cipher(implementation, Key);
        Assert.True(cipher.Open(batch));
        Assert.Equal([false, false, true], batch.Select(packet => packet.Authentic));
        Assert.Equal(new byte[length], plaintext);
        Assert.Equal(new byte[length], inPlace[..length]);
    }

    private static byte[] SealByOracle(ReadOnlySpan<byte> plaintext, ulong counter, ReadOnlySpan<byte> associatedData = default)
    {
        byte[] nonce = new byte[ChaCha20Poly1305.NonceSize], result = new byte[plaintext.Length + ChaCha20Poly1305.TagSize];
        BinaryPrimitives.WriteUInt64LittleEndian(nonce.AsSpan(4), counter);
        using var oracle = new Oracle(Key);
        oracle.Encrypt(nonce, plaintext, result.AsSpan(0, plaintext.Length), result.AsSpan(plaintext.Length), associatedData);
        return result;
    }

    private static byte[] Guarded(int length) => [.. Enumerable.Repeat(GuardByte, Guard + length + Guard)];

    private static void AssertInGuards(ReadOnlySpan<byte> expected, byte[] room)
    {
        Assert.Equal(expected, room.AsSpan(Guard, expected.Length));
        Assert.False(room.AsSpan(0, Guard).ContainsAnyExcept(GuardByte));
        Assert.False(room.AsSpan(Guard + expected.Length).ContainsAnyExcept(GuardByte));
    }
}
