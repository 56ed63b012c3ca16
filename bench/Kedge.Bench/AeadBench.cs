using System.Globalization;
using System.Security.Cryptography;
using Kedge.Crypto;
using ChaCha20Poly1305 = Kedge.Crypto.ChaCha20Poly1305;

namespace Kedge.Bench;

/// <summary>Nanoseconds to seal or open one packet, by size, in batches as the data plane uses them; beside .NET's own class.</summary>
internal static class AeadBench
{
    private const int BatchSize = 45;
    private static readonly int[] Sizes = [64, 128, 576, 1420, 8900, 65000];

    public static void Run()
    {
        Console.WriteLine("ChaCha20-Poly1305, ns a packet, median of 9 rounds [min..max]");
        Console.WriteLine($"{"bytes",8}  {"seal",-26}{"open",-26}{".NET's class, seal",-26}");
        Span<byte> key = stackalloc byte[ChaCha20Poly1305.KeySize];
        RandomNumberGenerator.Fill(key);
        using var aead = new ChaCha20Poly1305(key);
        using var reference = new System.Security.Cryptography.ChaCha20Poly1305(key);
        foreach (int size in Sizes)
        {
            AeadPacket[] packets = Packets(size);
            Sample seal = Sample.OfNanoseconds(BatchSize, () => aead.Seal(packets));
            Sample open = Sample.OfNanoseconds(BatchSize, () => aead.Open(packets));
            var (plaintext, ciphertext, tag, nonce) = (new byte[size], new byte[size], new byte[16], new byte[12]);
            Sample other = Sample.OfNanoseconds(BatchSize, () =>
            {
                for (int i = 0; i < BatchSize; i++)
                    reference.Encrypt(nonce, plaintext, ciphertext, tag);
            });
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{size,8}  {seal.ToString("F0"),-26}{open.ToString("F0"),-26}{other.ToString("F0"),-26}"));
        }
    }

    private static AeadPacket[] Packets(int size)
    {
        var packets = new AeadPacket[BatchSize];
        for (int i = 0; i < BatchSize; i++)
            packets[i] = new() { Source = new byte[size + 16], Destination = new byte[size + 16], Length = size, Counter = (ulong)i };
        return packets;
    }
}
