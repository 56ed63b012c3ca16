using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Kedge.Crypto.Simd;

/// <summary>
/// Poly1305 (RFC 8439, section 2.5) of one message, in words of 64 bits: what a short message or a message's end costs least with. It holds
/// secrets, and whoever has it wipes it. Its time depends on lengths alone. It is as long as a cache line, for what lies behind it.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal unsafe struct Poly1305Accumulator
{
    private const int LimbBits = 26;
    private const ulong LimbMask = (1UL << LimbBits) - 1;

    // The number to multiply by, and 5/4 of its upper word: clamping has cleared two bits there, and 2^130 is 5 modulo 2^130 - 5.
    private readonly ulong _r0, _r1, _s1;

    // The value. The last word is below 8.
    private ulong _h0, _h1, _h2;

    /// <summary>Begins a message.</summary>
    /// <param name="key">The first half of the one-time key, 16 bytes, which is clamped here.</param>
    public Poly1305Accumulator(byte* key)
    {
        _r0 = Unsafe.ReadUnaligned<ulong>(key) & Poly1305.ClampLow;
        _r1 = Unsafe.ReadUnaligned<ulong>(key + sizeof(ulong)) & Poly1305.ClampHigh;
        _s1 = _r1 + (_r1 >> 2);
    }

    /// <summary>The clamped key's first eight bytes.</summary>
    public readonly ulong KeyLow => _r0;

    /// <summary>The clamped key's last eight bytes.</summary>
    public readonly ulong KeyHigh => _r1;

    /// <summary>Takes whole blocks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Absorb(byte* blocks, int count)
    {
        for (int i = 0; i < count; i++)
        {
            byte* block = blocks + i * Poly1305.BlockSize;
            Absorb(Unsafe.ReadUnaligned<ulong>(block), Unsafe.ReadUnaligned<ulong>(block + sizeof(ulong)));
        }
    }

    /// <summary>
    /// Takes what is behind the last whole block of a ciphertext, filled up with zeros, and the block of lengths (RFC 8439, section 2.8).
    /// </summary>
    /// <param name="rest">The bytes behind the last whole block.</param>
    /// <param name="length">Bytes of the whole ciphertext.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void AbsorbEnd(byte* rest, int length)
    {
        int count = length % Poly1305.BlockSize;
        if (count != 0)
        {
            ulong low = 0, high = 0;
            for (int i = count - 1; i >= sizeof(ulong); i--)
                high = high << 8 | rest[i];
            for (int i = Math.Min(count, sizeof(ulong)) - 1; i >= 0; i--)
                low = low << 8 | rest[i];
            Absorb(low, high);
        }
        Absorb(0, (ulong)length);
    }

    /// <summary>Takes the place of the value by one of five limbs of 26 bits, whose carries have not been propagated.</summary>
    public void SetLimbs(ulong t0, ulong t1, ulong t2, ulong t3, ulong t4)
    {
        t1 += t0 >> LimbBits;
        t2 += t1 >> LimbBits;
        t3 += t2 >> LimbBits;
        t4 += t3 >> LimbBits;
        t0 = (t0 & LimbMask) + 5 * (t4 >> LimbBits);
        t1 = (t1 & LimbMask) + (t0 >> LimbBits);
        t2 = (t2 & LimbMask) + (t1 >> LimbBits);
        t3 = (t3 & LimbMask) + (t2 >> LimbBits);
        t4 = (t4 & LimbMask) + (t3 >> LimbBits);
        t2 &= LimbMask;
        _h0 = (t0 & LimbMask) | (t1 & LimbMask) << 26 | t2 << 52;
        _h1 = t2 >> 12 | (t3 & LimbMask) << 14 | t4 << 40;
        _h2 = t4 >> 24;
    }

    /// <summary>Reduces the value modulo 2^130 - 5 and adds the second half of the key modulo 2^128.</summary>
    /// <param name="key">The second half of the one-time key, 16 bytes.</param>
    /// <param name="low">The tag's first eight bytes.</param>
    /// <param name="high">The tag's last eight bytes.</param>
    public readonly void Finish(byte* key, out ulong low, out ulong high)
    {
        // Where value + 5 reaches 2^130, its lower 130 bits are the value less the modulus. The value is below twice the modulus.
        ulong g0 = _h0 + 5, g1 = _h1 + Carry(g0, 5), g2 = _h2 + Carry(g1, _h1);
        ulong reduced = 0 - (g2 >> 2);
        low = (g0 & reduced) | (_h0 & ~reduced);
        high = (g1 & reduced) | (_h1 & ~reduced);
        ulong addLow = Unsafe.ReadUnaligned<ulong>(key);
        low += addLow;
        high += Unsafe.ReadUnaligned<ulong>(key + sizeof(ulong)) + Carry(low, addLow);
    }

    // value = (value + block) r
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Absorb(ulong low, ulong high)
    {
        // The bit behind the 128 of a block is the 1.
        ulong h0 = _h0 + low, carry = Carry(h0, low);
        ulong h1 = _h1 + high, carryHigh = Carry(h1, high);
        h1 += carry;
        ulong h2 = _h2 + 1 + carryHigh + Carry(h1, carry);

        ulong up0 = Math.BigMul(h0, _r0, out ulong d0), up = Math.BigMul(h1, _s1, out ulong product);
        d0 += product;
        up0 += up + Carry(d0, product);

        // The last word times both is short: no sum here reaches 2^64.
        ulong up1 = Math.BigMul(h0, _r1, out ulong d1);
        up = Math.BigMul(h1, _r0, out product);
        d1 += product;
        up1 += up + Carry(d1, product);
        product = h2 * _s1;
        d1 += product;
        up1 += Carry(d1, product);
        ulong d2 = h2 * _r0 + up1;

        d1 += up0;
        d2 += Carry(d1, up0);
        product = (d2 & ~3UL) + (d2 >> 2);
        _h0 = d0 + product;
        carry = Carry(_h0, product);
        _h1 = d1 + carry;
        _h2 = (d2 & 3) + Carry(_h1, carry);
    }

    // What a sum of two words carries, one of which is given: no branch, whatever the compiler thinks.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Carry(ulong sum, ulong summand) => Unsafe.BitCast<bool, byte>(sum < summand);
}
