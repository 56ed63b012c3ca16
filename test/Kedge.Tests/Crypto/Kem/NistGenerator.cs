using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Kedge.Tests.Crypto.Kem;

/// <summary>
/// The generator of NIST's known-answer tests: AES-256 CTR_DRBG (SP 800-90A) without derivation function. Not for secrets.
/// </summary>
internal sealed class NistGenerator
{
    private byte[] _key = new byte[32], _counter = new byte[16];

    public NistGenerator(byte[] seed) => Update(seed);

    /// <summary>One request: how much is asked for at once matters.</summary>
    public void Fill(Span<byte> destination)
    {
        Blocks((destination.Length + 15) / 16).AsSpan(0, destination.Length).CopyTo(destination);
        Update(new byte[48]);
    }

    private void Update(byte[] provided)
    {
        byte[] state = Blocks(3);
        for (int i = 0; i < state.Length; i++)
            state[i] ^= provided[i];
        (_key, _counter) = (state[..32], state[32..]);
    }

    private byte[] Blocks(int count)
    {
        byte[] counters = new byte[16 * count];
        for (int i = 0; i < count; i++)
        {
            BinaryPrimitives.WriteUInt128BigEndian(_counter, BinaryPrimitives.ReadUInt128BigEndian(_counter) + 1);
            _counter.CopyTo(counters, 16 * i);
        }
        using var aes = Aes.Create();
        aes.Key = _key;
        return aes.EncryptEcb(counters, PaddingMode.None);
    }
}
