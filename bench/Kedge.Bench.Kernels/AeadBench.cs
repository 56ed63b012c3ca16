using System.Globalization;
using System.Security.Cryptography;
using Kedge.Crypto;
using ChaCha20Poly1305 = Kedge.Crypto.ChaCha20Poly1305;
using DotNet = System.Security.Cryptography.ChaCha20Poly1305;

namespace Kedge.Bench.Kernels;

/// <summary>
/// Nanoseconds to seal or open one packet, by size, with each implementation that this CPU can run: in batches as the data plane uses
/// them, and alone; beside .NET's own class. The minimum of the rounds is what the code takes, the rest is what else the machine did.
/// </summary>
internal static class AeadBench
{
    private const int BatchSize = 45;
    private static readonly int[] Sizes = [64, 128, 576, 1420, 8900, 65000];

    public static void Run()
    {
        Console.WriteLine($"{ChaCha20Poly1305.Implementation} is what Kedge uses here: {ChaCha20Poly1305.ImplementationReason}.");
        byte[] key = RandomNumberGenerator.GetBytes(ChaCha20Poly1305.KeySize);
        foreach (int batchSize in (int[])[BatchSize, 1])
        {
            Console.WriteLine($"ChaCha20-Poly1305, {batchSize} at once, ns a packet, median of {Sample.Rounds} rounds [min..max]");
            Console.WriteLine($"{"bytes",8}  {"",-14}{"seal",-28}{"open",-28}");
            foreach (int size in Sizes)
            {
                foreach (AeadImplementation implementation in AeadImplementation.All.Where(implementation => implementation.IsSupported))
                    MeasureImplementation(implementation, key, batchSize, size);
                MeasureDotNet(key, batchSize, size);
            }
        }
    }

    private static void MeasureImplementation(AeadImplementation implementation, byte[] key, int batchSize, int size)
    {
        using var aead = new ChaCha20Poly1305(key, implementation);
        var plaintexts = new AeadPacket[batchSize];
        for (int i = 0; i < batchSize; i++)
            plaintexts[i] = new() { Source = new byte[size], Destination = new byte[size + 16], Length = size, Counter = (ulong)i };
        AeadPacket[] ciphertexts =
            [.. plaintexts.Select(packet => packet with { Source = packet.Destination, Destination = new byte[size] })];
        Sample seal = Sample.OfNanoseconds(batchSize, () => aead.Seal(plaintexts)), open = Sample.OfNanoseconds(batchSize, () => aead.Open(ciphertexts));
        Print(size, implementation.Name, seal, open);
    }

    private static void MeasureDotNet(byte[] key, int batchSize, int size)
    {
        using var aead = new DotNet(key);
        var (plaintext, ciphertext, tag, nonce) = (new byte[size], new byte[size], new byte[16], new byte[12]);
        Sample seal = Sample.OfNanoseconds(batchSize, () => Repeat(() => aead.Encrypt(nonce, plaintext, ciphertext, tag)));
        Sample open = Sample.OfNanoseconds(batchSize, () => Repeat(() => aead.Decrypt(nonce, ciphertext, tag, plaintext)));
        Print(size, ".NET's class", seal, open);

        void Repeat(Action packet)
        {
            for (int i = 0; i < batchSize; i++)
                packet();
        }
    }

    private static void Print(int size, string name, Sample seal, Sample open) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"{size,8}  {name,-14}{seal.ToString("F0"),-28}{open.ToString("F0"),-28}"));
}
