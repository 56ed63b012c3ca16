using System.Security.Cryptography;

namespace Kedge.Crypto;

/// <summary>
/// What an implementation has to get right before it is used: the published keystream, and whatever libcrypto makes of packets of lengths
/// at which the work is divided in different ways. The runtime compiles all of its code meanwhile, so that no packet waits for that.
/// </summary>
internal static class AeadSelfTest
{
    private const int TagSize = ChaCha20Poly1305.TagSize;

    // Alone, which are divided in other ways by their length; short ones side by side; and a long one among short ones.
    private static readonly int[][] Batches = [[1420], [100], [600], [0, 1, 15, 16, 17, 63, 64, 65, 128, 576], [9000, 40, 1420, 1420, 33]];

    // RFC 8439, appendix A.1, vector 2: block 1 under a key and a nonce of zeros.
    private static ReadOnlySpan<byte> PublishedKeystream =>
    [
        0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a, 0x98, 0xba, 0x97, 0x7c, 0x73, 0x2d, 0x08, 0x0d,
        0xcb, 0x0f, 0x29, 0xa0, 0x48, 0xe3, 0x65, 0x69, 0x12, 0xc6, 0x53, 0x3e, 0x32, 0xee, 0x7a, 0xed,
        0x29, 0xb7, 0x21, 0x76, 0x9c, 0xe6, 0x4e, 0x43, 0xd5, 0x71, 0x33, 0xb0, 0x74, 0xd8, 0x39, 0xd5,
        0x31, 0xed, 0x1f, 0x28, 0x51, 0x0a, 0xfb, 0x45, 0xac, 0xe1, 0x0a, 0x1f, 0x4b, 0x79, 0x4d, 0x6f,
    ];

    /// <summary>Tests an implementation.</summary>
    /// <exception cref="CryptographicException">It is wrong; the message says about what.</exception>
    public static void Run(AeadImplementation implementation)
    {
        byte[] key = new byte[ChaCha20Poly1305.KeySize];
        using IPacketAead aead = implementation.Create(key);
        AeadPacket[] zeros = Packets([PublishedKeystream.Length]);
        aead.Seal(zeros);
        Require(zeros[0].Destination.AsSpan().StartsWith(PublishedKeystream), implementation, "a published keystream");

        using var libcrypto = new LibcryptoAead(key);
        foreach (int[] lengths in Batches)
            Compare(implementation, aead, libcrypto, lengths);
    }

    private static void Compare(AeadImplementation implementation, IPacketAead aead, LibcryptoAead libcrypto, int[] lengths)
    {
        AeadPacket[] batch = Packets(lengths), expected = Packets(lengths);
        for (int i = 0; i < batch.Length; i++)
        {
            for (int at = 0; at < lengths[i]; at++)
                batch[i].Source[at] = (byte)(7 * at + i);
            expected[i].Source = batch[i].Source;
        }
        aead.Seal(batch);
        libcrypto.Seal(expected);
        for (int i = 0; i < batch.Length; i++)
            Require(batch[i].Destination.AsSpan().SequenceEqual(expected[i].Destination), implementation, $"sealing {lengths[i]} bytes");

        foreach (ref AeadPacket packet in batch.AsSpan())
            (packet.Source, packet.Destination) = (packet.Destination, new byte[packet.Length]);
        aead.Open(batch);
        for (int i = 0; i < batch.Length; i++)
        {
            bool opened = batch[i].Authentic && batch[i].Destination.AsSpan().SequenceEqual(expected[i].Source.AsSpan(0, lengths[i]));
            Require(opened, implementation, $"opening {lengths[i]} bytes");
            batch[i].Source[i % batch[i].Source.Length] ^= 1;
        }
        aead.Open(batch);
        for (int i = 0; i < batch.Length; i++)
            Require(!batch[i].Authentic, implementation, $"refusing a forgery of {lengths[i]} bytes");
    }

    private static AeadPacket[] Packets(int[] lengths) =>
    [
        .. lengths.Select((length, i) => new AeadPacket
        {
            Source = new byte[length + TagSize],
            Destination = new byte[length + TagSize],
            Length = length,
            Counter = 0x0102030405060708UL * (ulong)i,
        }),
    ];

    private static void Require(bool right, AeadImplementation implementation, string what)
    {
        if (!right)
        {
            throw new CryptographicException(
                $"The self-test of {implementation.Name} failed: {what}. Please report it, with what CPU this is; until then set " +
                $"{AeadImplementation.Variable}={AeadImplementation.Libcrypto.Name}.");
        }
    }
}
