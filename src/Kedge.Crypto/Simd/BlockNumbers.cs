using System.Runtime.Intrinsics;

namespace Kedge.Crypto.Simd;

/// <summary>Which blocks of keystream to compute: any block of any packet, side by side. Structure of arrays, for vector loads.</summary>
internal unsafe struct BlockNumbers
{
    /// <summary>As many as the widest kernel computes in one call.</summary>
    public const int Most = 32;

    // Room for the end of a vector that is not all wanted.
    private const int Overhang = 8;

    /// <summary>Each block's number in its packet: 0 makes the one-time key, the packet begins at 1.</summary>
    public fixed uint Block[Most + Overhang];

    /// <summary>The lower half of each packet's counter, the nonce's second word. The first is 0 in WireGuard.</summary>
    public fixed uint CounterLow[Most + Overhang];

    /// <summary>The upper half of each packet's counter, the nonce's third word.</summary>
    public fixed uint CounterHigh[Most + Overhang];

    /// <summary>Sets consecutive blocks of one packet, and perhaps a few behind them.</summary>
    public void Set(int lane, int count, uint firstBlock, ulong counter)
    {
        Vector256<uint> low = Vector256.Create((uint)counter), high = Vector256.Create((uint)(counter >> 32));
        Vector256<uint> block = Vector256.Create(firstBlock) + Vector256<uint>.Indices;
        for (int i = lane; i < lane + count; i += Overhang)
        {
            block.StoreUnsafe(ref Block[i]);
            low.StoreUnsafe(ref CounterLow[i]);
            high.StoreUnsafe(ref CounterHigh[i]);
            block += Vector256.Create((uint)Overhang);
        }
    }
}
