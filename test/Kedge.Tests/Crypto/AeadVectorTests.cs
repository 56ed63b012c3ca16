using System.Buffers.Binary;
using Kedge.Crypto;

namespace Kedge.Tests.Crypto;

public class AeadVectorTests
{
    [Theory]
    [MemberData(nameof(AeadVector.ChaCha20Poly1305), MemberType = typeof(AeadVector), DisableDiscoveryEnumeration = true)]
    public void ChaCha20Poly1305_gives_the_published_results(AeadVector vector)
    {
        Check(vector, ChaCha20Poly1305.NonceSize, ChaCha20Poly1305.Seal, ChaCha20Poly1305.TryOpen);

        // A nonce that begins with four zero bytes is a counter of WireGuard's.
        if (vector.Nonce.Length != ChaCha20Poly1305.NonceSize || vector.Nonce.AsSpan(0, 4).ContainsAnyExcept((byte)0))
            return;
        Check(
            vector,
            ChaCha20Poly1305.NonceSize,
            (key, nonce, associatedData, plaintext, destination) =>
                ChaCha20Poly1305.Seal(key, Counter(nonce), associatedData, plaintext, destination),
            (key, nonce, associatedData, ciphertextAndTag, plaintext) =>
                ChaCha20Poly1305.TryOpen(key, Counter(nonce), associatedData, ciphertextAndTag, plaintext));

        // Without associated data it is a packet.
        if (vector.AssociatedData.Length != 0)
            return;
        foreach (string implementation in Implementations.Supported().Select(row => row.Data))
        {
            Check(
                vector,
                ChaCha20Poly1305.NonceSize,
                (key, nonce, _, plaintext, destination) => SealAsPacket(implementation, key, nonce, plaintext, destination),
                (key, nonce, _, ciphertextAndTag, plaintext) => OpenAsPacket(implementation, key, nonce, ciphertextAndTag, plaintext));
        }
    }

    [Theory]
    [MemberData(nameof(AeadVector.XChaCha20Poly1305), MemberType = typeof(AeadVector), DisableDiscoveryEnumeration = true)]
    public void XChaCha20Poly1305_gives_the_published_results(AeadVector vector) =>
        Check(vector, XChaCha20Poly1305.NonceSize, XChaCha20Poly1305.Seal, XChaCha20Poly1305.TryOpen);

    private delegate void Seal(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        ReadOnlySpan<byte> associatedData,
        ReadOnlySpan<byte> plaintext,
        Span<byte> destination);

    private delegate bool Open(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        ReadOnlySpan<byte> associatedData,
        ReadOnlySpan<byte> ciphertextAndTag,
        Span<byte> plaintext);

    private static void Check(AeadVector vector, int nonceSize, Seal seal, Open open)
    {
        byte[] sealedBytes = new byte[vector.CiphertextAndTag.Length], opened = [.. Enumerable.Repeat((byte)0xff, vector.Plaintext.Length)];
        if (vector.Nonce.Length != nonceSize)
        {
            Assert.False(vector.Valid);
            Assert.Throws<ArgumentException>(() => seal(vector.Key, vector.Nonce, vector.AssociatedData, vector.Plaintext, sealedBytes));
            Assert.Throws<ArgumentException>(() => open(vector.Key, vector.Nonce, vector.AssociatedData, vector.CiphertextAndTag, opened));
            return;
        }

        Assert.Equal(vector.Valid, open(vector.Key, vector.Nonce, vector.AssociatedData, vector.CiphertextAndTag, opened));
        Assert.Equal(vector.Valid ? vector.Plaintext : new byte[opened.Length], opened);

        // What is published as invalid is not what sealing gives.
        seal(vector.Key, vector.Nonce, vector.AssociatedData, vector.Plaintext, sealedBytes);
        Assert.Equal(vector.Valid, vector.CiphertextAndTag.AsSpan().SequenceEqual(sealedBytes));
    }

    private static ulong Counter(ReadOnlySpan<byte> nonce) => BinaryPrimitives.ReadUInt64LittleEndian(nonce[4..]);

    private static void SealAsPacket(
        string implementation, ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> destination)
    {
        using ChaCha20Poly1305 cipher = Implementations.Cipher(implementation, key);
        var packet = new AeadPacket
        {
            Source = plaintext.ToArray(), Destination = new byte[destination.Length], Length = plaintext.Length, Counter = Counter(nonce),
        };
        Assert.True(cipher.Seal([packet]));
        packet.Destination.CopyTo(destination);
    }

    private static bool OpenAsPacket(
        string implementation, ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertextAndTag, Span<byte> plaintext)
    {
        using ChaCha20Poly1305 cipher = Implementations.Cipher(implementation, key);
        AeadPacket[] batch =
        [
            new()
            {
                Source = ciphertextAndTag.ToArray(),
                Destination = plaintext.ToArray(),
                Length = plaintext.Length,
                Counter = Counter(nonce),
            },
        ];
        Assert.True(cipher.Open(batch));
        batch[0].Destination.CopyTo(plaintext);
        return batch[0].Authentic;
    }
}
