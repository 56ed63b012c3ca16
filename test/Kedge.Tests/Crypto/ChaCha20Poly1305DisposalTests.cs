using Kedge.Crypto;

namespace Kedge.Tests.Crypto;

public class ChaCha20Poly1305DisposalTests(ITestOutputHelper output)
{
    private const int Length = 300, Packets = 4;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void Disposal_zeroes_the_key_and_frees_every_context(string implementation)
    {
        byte[] key = Bytes.Random(ChaCha20Poly1305.KeySize, seed: 1);
        ChaCha20Poly1305 cipher = Implementations.Cipher(implementation, key);
        Assert.Equal(key, cipher.Key);
        Assert.True(cipher.Seal(Batch(new byte[Length])));
        Assert.Equal(cipher.Aead is LibcryptoAead ? 1 : 0, SpareContexts(cipher));

        cipher.Dispose();
        Assert.Equal(new byte[ChaCha20Poly1305.KeySize], cipher.Key);
        Assert.Equal(0, SpareContexts(cipher));
        cipher.Dispose();
    }

    [Fact]
    public void After_disposal_nothing_is_done()
    {
        var cipher = new ChaCha20Poly1305(new byte[ChaCha20Poly1305.KeySize]);
        cipher.Dispose();
        AeadPacket[] batch = Batch(new byte[Length]);
        batch[0].Destination.AsSpan().Fill(0xa5);
        batch[0].Authentic = true;
        Assert.False(cipher.Seal(batch));
        Assert.False(cipher.Open(batch));
        Assert.False(batch[0].Destination.AsSpan().ContainsAnyExcept((byte)0xa5));
    }

    [Fact]
    public void The_key_stays_until_the_last_thread_leaves()
    {
        byte[] key = Bytes.Random(ChaCha20Poly1305.KeySize, seed: 1);
        var cipher = new ChaCha20Poly1305(key, AeadImplementation.Libcrypto);
        Assert.True(cipher.Seal(Batch(new byte[Length])));
        Assert.True(cipher.TryEnter());
        Assert.True(cipher.TryEnter());
        cipher.Dispose();
        cipher.Dispose();

        Assert.False(cipher.TryEnter());
        cipher.Leave();
        Assert.Equal(key, cipher.Key);
        Assert.Equal(1, SpareContexts(cipher));
        cipher.Leave();
        Assert.Equal(new byte[ChaCha20Poly1305.KeySize], cipher.Key);
        Assert.Equal(0, SpareContexts(cipher));
    }

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void A_batch_that_is_under_way_ends_with_its_key_and_then_the_key_is_zeroed(string implementation)
    {
        // Some 30 ms of work in one batch: the disposal comes when its first packet is done.
        const int Many = 1000, Long = 60000;
        byte[] key = Bytes.Random(ChaCha20Poly1305.KeySize, seed: 1), plaintext = Bytes.Random(Long, seed: 2);
        byte[] first = new byte[Long + ChaCha20Poly1305.TagSize], rest = new byte[Long + ChaCha20Poly1305.TagSize];
        var batch = new AeadPacket[Many];
        for (int i = 0; i < Many; i++)
            batch[i] = new() { Source = plaintext, Destination = i == 0 ? first : rest, Length = Long, Counter = (ulong)i };

        ChaCha20Poly1305 cipher = Implementations.Cipher(implementation, key);
        bool done = false;
        var sealing = new Thread(() => done = cipher.Seal(batch));
        sealing.Start();
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref first[^1]) != 0 || !sealing.IsAlive, Patience));
        cipher.Dispose();
        Assert.False(cipher.Seal(batch.AsSpan(0, 1)));
        Assert.True(sealing.Join(Patience));

        Assert.True(done);
        byte[] expected = new byte[Long + ChaCha20Poly1305.TagSize];
        ChaCha20Poly1305.Seal(key, Many - 1, [], plaintext, expected);
        Assert.Equal(expected, rest);
        Assert.Equal(new byte[ChaCha20Poly1305.KeySize], cipher.Key);
        Assert.Equal(0, SpareContexts(cipher));
    }

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void Whatever_threads_do_while_another_disposes_is_either_right_or_refused(string implementation)
    {
        const int Rounds = 200, Threads = 4, MostBatches = 40;
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        int refused = 0;
        for (int round = 0; round < Rounds; round++)
        {
            byte[] key = new byte[ChaCha20Poly1305.KeySize], plaintext = new byte[Length];
            random.NextBytes(key);
            random.NextBytes(plaintext);
            byte[][] expected = [.. Enumerable.Range(0, Packets).Select(counter =>
            {
                byte[] message = new byte[Length + ChaCha20Poly1305.TagSize];
                ChaCha20Poly1305.Seal(key, (ulong)counter, [], plaintext, message);
                return message;
            })];

            ChaCha20Poly1305 cipher = Implementations.Cipher(implementation, key);
            int batches = 0, disposeAt = 1 + random.Next(Threads * MostBatches), wrong = 0;
            Thread[] threads = [.. Enumerable.Range(0, Threads).Select(number => new Thread(() =>
            {
                bool seals = number % 2 == 0;
                AeadPacket[] batch = Batch(plaintext);
                for (int i = 0; i < MostBatches; i++)
                {
                    for (int p = 0; p < Packets; p++)
                    {
                        batch[p].Source = seals ? plaintext : expected[p];
                        batch[p].Destination.AsSpan().Clear();
                        batch[p].Authentic = false;
                    }
                    bool done = seals ? cipher.Seal(batch) : cipher.Open(batch);
                    for (int p = 0; p < Packets; p++)
                    {
                        ReadOnlySpan<byte> right = !done ? new byte[Length] : seals ? expected[p] : plaintext;
                        if (!batch[p].Destination.AsSpan(0, right.Length).SequenceEqual(right) || batch[p].Authentic != (done && !seals))
                            Interlocked.Increment(ref wrong);
                    }
                    if (!done)
                        Interlocked.Increment(ref refused);
                    if (Interlocked.Increment(ref batches) == disposeAt)
                        cipher.Dispose();
                }
            }))];
            foreach (Thread thread in threads)
                thread.Start();
            foreach (Thread thread in threads)
                Assert.True(thread.Join(Patience));

            Assert.Equal(0, wrong);
            Assert.Equal(new byte[ChaCha20Poly1305.KeySize], cipher.Key);
            Assert.Equal(0, SpareContexts(cipher));
        }
        Assert.NotEqual(0, refused);
    }

    private static AeadPacket[] Batch(byte[] source) => [.. Enumerable.Range(0, Packets).Select(counter => new AeadPacket
    {
        Source = source, Destination = new byte[Length + ChaCha20Poly1305.TagSize], Length = Length, Counter = (ulong)counter,
    })];

    // Vectors need no contexts.
    private static int SpareContexts(ChaCha20Poly1305 cipher) => cipher.Aead is LibcryptoAead libcrypto ? libcrypto.SpareContexts : 0;
}
