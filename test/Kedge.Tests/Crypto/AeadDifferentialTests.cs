using Kedge.Crypto;

namespace Kedge.Tests.Crypto;

/// <summary>Every implementation that this CPU can run beside libcrypto's, on the same batches.</summary>
public class AeadDifferentialTests(ITestOutputHelper output)
{
    private const int Guard = 64, TagSize = ChaCha20Poly1305.TagSize, LongestPacket = (1 << 16) + 80;
    private const byte GuardByte = 0xa5;

    private static readonly byte[] Key = Bytes.Random(ChaCha20Poly1305.KeySize, seed: 1);
    private static readonly byte[] Plaintext = Bytes.Random(LongestPacket, seed: 2);

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void Packets_of_all_lengths_in_batches_agree(string implementation)
    {
        int[] lengths = [.. Enumerable.Range(0, 2201)];
        foreach (int[] batch in lengths.Chunk(45))
            AssertAgreement(implementation, batch, firstCounter: 3);
    }

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void Packets_of_all_lengths_alone_agree(string implementation)
    {
        for (int length = 0; length <= 2200; length++)
            AssertAgreement(implementation, [length], firstCounter: (ulong)length);
    }

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void Long_packets_agree_alone_and_in_batches(string implementation)
    {
        foreach (int middle in (int[])[1 << 14, 1 << 16])
        {
            int[] lengths = [.. Enumerable.Range(middle - 66, 133)];
            foreach (int length in lengths)
                AssertAgreement(implementation, [length], firstCounter: 5);
            foreach (int[] batch in lengths.Chunk(19))
                AssertAgreement(implementation, batch, firstCounter: 5);
        }
    }

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void Batches_of_all_sizes_and_mixed_lengths_agree(string implementation)
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (int size = 1; size <= 64; size++)
        {
            AssertAgreement(implementation, Lengths(size, () => random.Next(2201)), firstCounter: (ulong)random.NextInt64());
            AssertAgreement(implementation, Lengths(size, () => random.Next(random.Next(8) == 0 ? 20000 : 100)), firstCounter: 0);
            AssertAgreement(implementation, Lengths(size, () => random.Next(4) == 0 ? 52 : 1420), firstCounter: 0);
            AssertAgreement(implementation, Lengths(size, () => size), firstCounter: 0);
        }
    }

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void Counters_that_carry_into_the_upper_half_agree(string implementation)
    {
        foreach (ulong first in (ulong[])[(1UL << 32) - 20, (1UL << 31) - 20, (1UL << 60) - 20, ulong.MaxValue - 45])
            AssertAgreement(implementation, Lengths(45, () => 200), first);
    }

    private static int[] Lengths(int size, Func<int> next) => [.. Enumerable.Range(0, size).Select(_ => next())];

    // Seals out of place and in place, opens the same way with each fifth packet forged, and looks at every byte around.
    private static void AssertAgreement(string implementation, int[] lengths, ulong firstCounter)
    {
        using ChaCha20Poly1305 cipher = Implementations.Cipher(implementation, Key);
        using var libcrypto = new ChaCha20Poly1305(Key, AeadImplementation.Libcrypto);
        AeadPacket[] expected = Batch(lengths, firstCounter), batch = Batch(lengths, firstCounter);
        Assert.True(libcrypto.Seal(expected));
        Assert.True(cipher.Seal(batch));
        AssertSame(expected, batch);
        for (int i = 0; i < batch.Length; i++)
            PutInPlace(ref batch[i], Plaintext.AsSpan(0, lengths[i]));
        Assert.True(cipher.Seal(batch));
        AssertSame(expected, batch);

        for (int i = 0; i < batch.Length; i++)
        {
            batch[i].Source = [.. expected[i].Destination];
            batch[i].Destination = Room(lengths[i]);
            Forge(ref batch[i], i);
        }
        Assert.True(cipher.Open(batch));
        AssertOpened(batch, tagBehind: false);
        for (int i = 0; i < batch.Length; i++)
        {
            PutInPlace(ref batch[i], expected[i].Destination.AsSpan(Guard, lengths[i] + TagSize));
            Forge(ref batch[i], i);
        }
        Assert.True(cipher.Open(batch));
        AssertOpened(batch, tagBehind: true);
    }

    private static AeadPacket[] Batch(int[] lengths, ulong firstCounter) =>
    [
        .. lengths.Select((length, i) => new AeadPacket
        {
            Source = Plaintext,
            Destination = Room(length + TagSize),
            DestinationOffset = Guard,
            Length = length,
            Counter = firstCounter + (ulong)i,
        }),
    ];

    private static void PutInPlace(ref AeadPacket packet, ReadOnlySpan<byte> content)
    {
        packet.Source = packet.Destination = Room(packet.Length + TagSize);
        packet.SourceOffset = Guard;
        content.CopyTo(packet.Source.AsSpan(Guard));
    }

    private static void Forge(ref AeadPacket packet, int index)
    {
        packet.SourceOffset = Guard;
        packet.Authentic = IsForged(index);
        if (IsForged(index))
            packet.Source[Guard + 37 * index % (packet.Length + TagSize)] ^= 4;
    }

    private static bool IsForged(int index) => index % 5 == 4;

    private static byte[] Room(int length)
    {
        byte[] room = new byte[Guard + length + Guard];
        room.AsSpan(0, Guard).Fill(GuardByte);
        room.AsSpan(Guard + length).Fill(GuardByte);
        return room;
    }

    private static void AssertSame(AeadPacket[] expected, AeadPacket[] actual)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            bool same = expected[i].Destination.AsSpan().SequenceEqual(actual[i].Destination);
            Assert.True(same, $"packet {i} of {expected.Length}, {expected[i].Length} bytes");
        }
    }

    private static void AssertOpened(AeadPacket[] batch, bool tagBehind)
    {
        for (int i = 0; i < batch.Length; i++)
        {
            AeadPacket packet = batch[i];
            ReadOnlySpan<byte> plaintext = packet.Destination.AsSpan(Guard, packet.Length);
            ReadOnlySpan<byte> behind = packet.Destination.AsSpan(Guard + packet.Length + (tagBehind ? TagSize : 0));
            Assert.Equal(!IsForged(i), packet.Authentic);
            bool right = IsForged(i) ? !plaintext.ContainsAnyExcept((byte)0) : plaintext.SequenceEqual(Plaintext.AsSpan(0, packet.Length));
            Assert.True(right, $"packet {i} of {batch.Length}, {packet.Length} bytes");
            Assert.False(packet.Destination.AsSpan(0, Guard).ContainsAnyExcept(GuardByte));
            Assert.False(behind.ContainsAnyExcept(GuardByte));
        }
    }
}
