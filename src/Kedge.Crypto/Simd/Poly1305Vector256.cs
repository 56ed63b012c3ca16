using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Limb = System.Runtime.Intrinsics.Vector256<ulong>;

namespace Kedge.Crypto.Simd;

/// <summary>
/// Poly1305 (RFC 8439, section 2.5) with AVX2, four lanes at once. A number is five limbs of 26 bits; one in memory has four more
/// vectors behind them: five times its limbs 1 to 4, because 2^130 is 5 modulo 2^130 - 5.
/// </summary>
internal static unsafe class Poly1305Vector256
{
    /// <summary>Messages at once.</summary>
    public const int Lanes = 4;

    private const int Limbs = 5, NumberSize = 9, LimbBits = 26, StepBlocks = Poly1305Lanes.StepBlocks;

    // Vectors of one lane's bytes in a step.
    private const int RowVectors = 2;
    private const ulong LimbMask = (1UL << LimbBits) - 1;

    // The bit that follows the 128 of a block, in the last limb.
    private const ulong Mark = 1UL << 24;

    /// <inheritdoc cref="IVectorKernels.Authenticate"/>
    [SkipLocalsInit]
    public static void Authenticate(Poly1305Lanes* lanes)
    {
        // The first four powers of the key, and the value. Vectors that cross a cache line cost twice.
        const int Numbers = 5;
        byte* room = stackalloc byte[(Numbers * NumberSize + 1) * sizeof(Limb)];
        var powers = (Limb*)((nuint)(room + sizeof(Limb) - 1) & ~((nuint)sizeof(Limb) - 1));
        Limb* square = powers + NumberSize, cube = square + NumberSize, fourth = cube + NumberSize, value = fourth + NumberSize;
        ReadKeys(lanes, powers);
        Multiply(square, powers, powers);
        Multiply(cube, square, powers);
        Multiply(fourth, square, square);
        Evaluate(lanes, powers, value);
        Finish(value, lanes);
        Wiping.Zero(powers, Numbers * NumberSize * sizeof(Limb));
    }

    // The first half of a one-time key, clamped, is the number to multiply by; the second is kept where the tag will be.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ReadKeys(Poly1305Lanes* lanes, Limb* key)
    {
        LoadWords(lanes->Key, 0, out Limb low, out Limb high, out Limb addLow, out Limb addHigh);
        low &= Vector256.Create(Poly1305.ClampLow);
        high &= Vector256.Create(Poly1305.ClampHigh);
        Split(low, high, Limb.Zero, out Limb r0, out Limb r1, out Limb r2, out Limb r3, out Limb r4);
        Store(key, r0, r1, r2, r3, r4);
        addLow.Store(lanes->TagLow);
        addHigh.Store(lanes->TagHigh);
    }

    // Horner's rule, four blocks a step: value = (value + m0) r^4 + m1 r^3 + m2 r^2 + m3 r, and only then are carries propagated.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void Evaluate(Poly1305Lanes* lanes, Limb* powers, Limb* value)
    {
        Limb* allMarks = stackalloc Limb[StepBlocks], edgeMarks = stackalloc Limb[StepBlocks], edge = stackalloc Limb[Lanes * RowVectors];
        ulong* edgeData = stackalloc ulong[Lanes];
        for (int i = 0; i < StepBlocks; i++)
            allMarks[i] = Vector256.Create(Mark);
        for (int lane = 0; lane < Lanes; lane++)
            edgeData[lane] = (ulong)(edge + lane * RowVectors);

        Limb* square = powers + NumberSize, cube = square + NumberSize, fourth = cube + NumberSize;
        long firstFull = lanes->FirstFull(Lanes), endOfFull = lanes->EndOfFull(Lanes);
        Limb h0 = Limb.Zero, h1 = Limb.Zero, h2 = Limb.Zero, h3 = Limb.Zero, h4 = Limb.Zero;
        for (int step = 0; step < lanes->Steps; step++)
        {
            ulong* data = lanes->Data;
            Limb* marks = allMarks;
            long offset = (long)step * Poly1305Lanes.StepSize;
            if (step < firstFull || step >= endOfFull)
            {
                FillEdge(lanes, step, edge, edgeMarks);
                data = edgeData;
                marks = edgeMarks;
                offset = 0;
            }
            // The block that waits for the value comes last.
            Limb t0 = Limb.Zero, t1 = Limb.Zero, t2 = Limb.Zero, t3 = Limb.Zero, t4 = Limb.Zero;
            LoadWords(data, offset + sizeof(Limb), out Limb low2, out Limb high2, out Limb low3, out Limb high3);
            Split(low2, high2, marks[2], out Limb m0, out Limb m1, out Limb m2, out Limb m3, out Limb m4);
            AddProducts(ref t0, ref t1, ref t2, ref t3, ref t4, m0, m1, m2, m3, m4, square);
            Split(low3, high3, marks[3], out m0, out m1, out m2, out m3, out m4);
            AddProducts(ref t0, ref t1, ref t2, ref t3, ref t4, m0, m1, m2, m3, m4, powers);
            LoadWords(data, offset, out Limb low0, out Limb high0, out Limb low1, out Limb high1);
            Split(low1, high1, marks[1], out m0, out m1, out m2, out m3, out m4);
            AddProducts(ref t0, ref t1, ref t2, ref t3, ref t4, m0, m1, m2, m3, m4, cube);
            Split(low0, high0, marks[0], out m0, out m1, out m2, out m3, out m4);
            AddProducts(ref t0, ref t1, ref t2, ref t3, ref t4, h0 + m0, h1 + m1, h2 + m2, h3 + m3, h4 + m4, fourth);
            Carry(ref t0, ref t1, ref t2, ref t3, ref t4);
            (h0, h1, h2, h3, h4) = (t0, t1, t2, t3, t4);
        }
        Store(value, h0, h1, h2, h3, h4);
    }

    // A step in which some lane has not begun or has ended: what is outside of the message is zero, and what is before it has no mark.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FillEdge(Poly1305Lanes* lanes, int step, Limb* rows, Limb* marks)
    {
        long offset = (long)step * Poly1305Lanes.StepSize;
        for (int lane = 0; lane < Lanes; lane++)
        {
            int begin = (int)Math.Clamp(lanes->Begin[lane] - offset, 0, Poly1305Lanes.StepSize);
            int end = (int)Math.Clamp(lanes->End[lane] - offset, 0, Poly1305Lanes.StepSize);
            byte* data = (byte*)lanes->Data[lane] + offset;
            var row = new Span<byte>(rows + lane * RowVectors, Poly1305Lanes.StepSize);
            row.Clear();
            if (begin < end)
                new ReadOnlySpan<byte>(data + begin, end - begin).CopyTo(row[begin..]);
            if (step == lanes->Steps - 1)
                rows[(lane + 1) * RowVectors - 1] |= Limb.Zero.WithElement(3, lanes->Length[lane]);
        }
        Vector256<long> begins = Vector256.Load(lanes->Begin);
        for (int i = 0; i < StepBlocks; i++)
        {
            Vector256<long> block = Vector256.Create(offset + i * Poly1305.BlockSize);
            marks[i] = Vector256.LessThanOrEqual(begins, block).AsUInt64() & Vector256.Create(Mark);
        }
    }

    /// <inheritdoc cref="IVectorKernels.Absorb"/>
    /// <remarks>
    /// Each lane takes every fourth block and multiplies by that power of the key; in the last step each multiplies by the power that its
    /// own last block is to have, and the sum of the lanes is the value.
    /// </remarks>
    [SkipLocalsInit]
    public static void Absorb(Poly1305Accumulator* accumulator, byte* blocks, int count)
    {
        // Two powers each: of the last step, of which every lane has its own, and of the others.
        const int Numbers = 4;
        byte* room = stackalloc byte[(Numbers * NumberSize + 1) * sizeof(Limb)];
        var lanePowers = (Limb*)((nuint)(room + sizeof(Limb) - 1) & ~((nuint)sizeof(Limb) - 1));
        Limb* lastPowers = lanePowers + NumberSize, powers = lastPowers + NumberSize, square = powers + NumberSize;
        MakePowers(accumulator, lanePowers, powers);
        Multiply(lastPowers, lanePowers, powers);
        Multiply(square, powers, powers);
        EvaluateAcross(accumulator, blocks, count, lanePowers, powers);
        Wiping.Zero(lanePowers, Numbers * NumberSize * sizeof(Limb));
    }

    // The powers that the lanes' last blocks have, from the key itself on; and the one that a lane's next block has more, in all lanes.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MakePowers(Poly1305Accumulator* accumulator, Limb* lanePowers, Limb* power)
    {
        Limb low = Vector256.Create(accumulator->KeyLow), high = Vector256.Create(accumulator->KeyHigh);
        Split(low, high, Limb.Zero, out Limb r0, out Limb r1, out Limb r2, out Limb r3, out Limb r4);
        Store(lanePowers, r0, r1, r2, r3, r4);
        Store(power, r0, r1, r2, r3, r4);

        // A bit of how many blocks follow a lane's doubles the exponent. LoadBlocks leaves the highest of these bits in bit 0 of a lane's
        // number, the others one above their place, and all of them inverted.
        for (int exponent = 1; exponent < Lanes; exponent *= 2)
        {
            Limb bit = Limb.Indices & Vector256.Create(2 * exponent == Lanes ? 1UL : 2UL * (ulong)exponent);
            Limb isSet = Vector256.Equals(bit, Limb.Zero);
            Limb one = Vector256.AndNot(Limb.One, isSet);
            Store(power, power[0] & isSet | one, power[1] & isSet, power[2] & isSet, power[3] & isSet, power[4] & isSet);
            Multiply(lanePowers, lanePowers, power);
            Store(
                power, First(lanePowers[0]), First(lanePowers[1]), First(lanePowers[2]), First(lanePowers[3]), First(lanePowers[4]));
        }
    }

    // Horner's rule, two blocks of each lane a step. Zeros before the message fill up the first step.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void EvaluateAcross(Poly1305Accumulator* accumulator, byte* blocks, int count, Limb* lastPowers, Limb* powers)
    {
        int steps = (count + 2 * Lanes - 1) / (2 * Lanes), filling = steps * 2 * Lanes - count;
        byte* data = blocks - (long)filling * Poly1305.BlockSize;
        Limb h0 = Limb.Zero, h1 = Limb.Zero, h2 = Limb.Zero, h3 = Limb.Zero, h4 = Limb.Zero;
        while (true)
        {
            // The blocks that wait for the value come last.
            Limb* multipliers = steps == 1 ? lastPowers : powers;
            Limb t0 = Limb.Zero, t1 = Limb.Zero, t2 = Limb.Zero, t3 = Limb.Zero, t4 = Limb.Zero;
            LoadBlocks(data, Lanes, filling, out Limb low, out Limb high, out Limb mark);
            Split(low, high, mark, out Limb m0, out Limb m1, out Limb m2, out Limb m3, out Limb m4);
            AddProducts(ref t0, ref t1, ref t2, ref t3, ref t4, m0, m1, m2, m3, m4, multipliers);
            LoadBlocks(data, 0, filling, out low, out high, out mark);
            Split(low, high, mark, out m0, out m1, out m2, out m3, out m4);
            AddProducts(
                ref t0, ref t1, ref t2, ref t3, ref t4, h0 + m0, h1 + m1, h2 + m2, h3 + m3, h4 + m4, multipliers + NumberSize);
            (h0, h1, h2, h3, h4) = (t0, t1, t2, t3, t4);
            if (--steps == 0)
                break;
            Carry(ref h0, ref h1, ref h2, ref h3, ref h4);
            data += 2 * Lanes * Poly1305.BlockSize;
            filling = 0;
        }
        accumulator->SetLimbs(Vector256.Sum(h0), Vector256.Sum(h1), Vector256.Sum(h2), Vector256.Sum(h3), Vector256.Sum(h4));
    }

    // A block for each lane, from the given one of a step on: the words of the first half in even lanes, of the second in odd ones. The
    // filling is not read.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void LoadBlocks(byte* data, int first, int filling, out Limb low, out Limb high, out Limb mark)
    {
        var words = (ulong*)data + 2 * first;
        Limb a, b;
        mark = Vector256.Create(Mark);
        if (filling == 0)
        {
            a = Vector256.Load(words);
            b = Vector256.Load(words + Lanes);
        }
        else
        {
            Vector256<long> missing = Vector256.Create(2L * (filling - first)), indices = Vector256<long>.Indices;
            Limb isInA = Vector256.GreaterThanOrEqual(indices, missing).AsUInt64();
            Limb isInB = Vector256.GreaterThanOrEqual(indices + Vector256.Create((long)Lanes), missing).AsUInt64();
            a = Avx2.MaskLoad(words, isInA);
            b = Avx2.MaskLoad(words + Lanes, isInB);
            mark &= Avx2.UnpackLow(isInA, isInB);
        }
        low = Avx2.UnpackLow(a, b);
        high = Avx2.UnpackHigh(a, b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Limb First(Limb a) => Avx2.Permute4x64(a, 0);

    // Reduces the value modulo 2^130 - 5 and adds the second half of the key modulo 2^128.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Finish(Limb* value, Poly1305Lanes* lanes)
    {
        Limb h0 = value[0], h1 = value[1], h2 = value[2], h3 = value[3], h4 = value[4], mask = Vector256.Create(LimbMask);
        Carry(ref h0, ref h1, ref h2, ref h3, ref h4);
        CarryUp(ref h0, ref h1, ref h2, ref h3, ref h4);
        h0 += (h4 >> LimbBits) * 5;
        h4 &= mask;
        CarryUp(ref h0, ref h1, ref h2, ref h3, ref h4);

        // Where value + 5 reaches 2^130, its lower 130 bits are the value less the modulus.
        Limb g0 = h0 + Vector256.Create(5UL), g1 = h1, g2 = h2, g3 = h3, g4 = h4;
        CarryUp(ref g0, ref g1, ref g2, ref g3, ref g4);
        Limb reduced = Limb.Zero - (g4 >> LimbBits);
        h0 = Vector256.ConditionalSelect(reduced, g0, h0);
        h1 = Vector256.ConditionalSelect(reduced, g1, h1);
        h2 = Vector256.ConditionalSelect(reduced, g2, h2);
        h3 = Vector256.ConditionalSelect(reduced, g3, h3);
        h4 = Vector256.ConditionalSelect(reduced, g4, h4);

        Limb low = h0 | h1 << 26 | h2 << 52, high = h2 >> 12 | h3 << 14 | h4 << 40;
        Limb tagLow = low + Vector256.Load(lanes->TagLow);
        Limb carry = Vector256.LessThan(tagLow, low);
        tagLow.Store(lanes->TagLow);
        (high + Vector256.Load(lanes->TagHigh) - carry).Store(lanes->TagHigh);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply(Limb* product, Limb* a, Limb* b)
    {
        Limb t0 = Limb.Zero, t1 = Limb.Zero, t2 = Limb.Zero, t3 = Limb.Zero, t4 = Limb.Zero;
        AddProducts(ref t0, ref t1, ref t2, ref t3, ref t4, a[0], a[1], a[2], a[3], a[4], b);
        Carry(ref t0, ref t1, ref t2, ref t3, ref t4);
        Store(product, t0, t1, t2, t3, t4);
    }

    // Limbs below 2^28 times limbs below 2^27: four calls stay below 2^61.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddProducts(
        ref Limb t0, ref Limb t1, ref Limb t2, ref Limb t3, ref Limb t4, Limb m0, Limb m1, Limb m2, Limb m3, Limb m4, Limb* r)
    {
        t0 += Product(m0, r[0]);
        t1 += Product(m0, r[1]);
        t2 += Product(m0, r[2]);
        t3 += Product(m0, r[3]);
        t4 += Product(m0, r[4]);
        t0 += Product(m1, r[8]);
        t1 += Product(m1, r[0]);
        t2 += Product(m1, r[1]);
        t3 += Product(m1, r[2]);
        t4 += Product(m1, r[3]);
        t0 += Product(m2, r[7]);
        t1 += Product(m2, r[8]);
        t2 += Product(m2, r[0]);
        t3 += Product(m2, r[1]);
        t4 += Product(m2, r[2]);
        t0 += Product(m3, r[6]);
        t1 += Product(m3, r[7]);
        t2 += Product(m3, r[8]);
        t3 += Product(m3, r[0]);
        t4 += Product(m3, r[1]);
        t0 += Product(m4, r[5]);
        t1 += Product(m4, r[6]);
        t2 += Product(m4, r[7]);
        t3 += Product(m4, r[8]);
        t4 += Product(m4, r[0]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Limb Product(Limb a, Limb b) => Avx2.Multiply(a.AsUInt32(), b.AsUInt32());

    // Leaves every limb below 2^26 but for a few units in limbs 1 and 4. Two chains at once are shorter than one.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Carry(ref Limb t0, ref Limb t1, ref Limb t2, ref Limb t3, ref Limb t4)
    {
        Limb mask = Vector256.Create(LimbMask);
        t1 += t0 >> LimbBits;
        t4 += t3 >> LimbBits;
        t0 &= mask;
        t3 &= mask;
        Limb over = t4 >> LimbBits;
        t2 += t1 >> LimbBits;
        t0 += over + (over << 2);
        t4 &= mask;
        t1 &= mask;
        t3 += t2 >> LimbBits;
        t1 += t0 >> LimbBits;
        t2 &= mask;
        t0 &= mask;
        t4 += t3 >> LimbBits;
        t3 &= mask;
    }

    // Limbs 0 to 3 to 26 bits each; the last takes the rest.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CarryUp(ref Limb t0, ref Limb t1, ref Limb t2, ref Limb t3, ref Limb t4)
    {
        Limb mask = Vector256.Create(LimbMask);
        t1 += t0 >> LimbBits;
        t0 &= mask;
        t2 += t1 >> LimbBits;
        t1 &= mask;
        t3 += t2 >> LimbBits;
        t2 &= mask;
        t4 += t3 >> LimbBits;
        t3 &= mask;
    }

    // A block of two words, each lane's own, as limbs.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Split(
        Limb low, Limb high, Limb mark, out Limb m0, out Limb m1, out Limb m2, out Limb m3, out Limb m4)
    {
        Limb mask = Vector256.Create(LimbMask);
        m0 = low & mask;
        m1 = low >> 26 & mask;
        m2 = (low >> 52 | high << 12) & mask;
        m3 = high >> 14 & mask;
        m4 = high >> 40 | mark;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Limb* number, Limb t0, Limb t1, Limb t2, Limb t3, Limb t4)
    {
        number[0] = t0;
        number[1] = t1;
        number[2] = t2;
        number[3] = t3;
        number[4] = t4;
        number[Limbs] = t1 + (t1 << 2);
        number[Limbs + 1] = t2 + (t2 << 2);
        number[Limbs + 2] = t3 + (t3 << 2);
        number[Limbs + 3] = t4 + (t4 << 2);
    }

    // Four words of each of four lanes, transposed: word i of all lanes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void LoadWords(ulong* addresses, long offset, out Limb w0, out Limb w1, out Limb w2, out Limb w3)
    {
        Limb a = Row(addresses, 0, offset), b = Row(addresses, 1, offset), c = Row(addresses, 2, offset), d = Row(addresses, 3, offset);
        Limb ab = Avx2.UnpackLow(a, b), cd = Avx2.UnpackLow(c, d), abHigh = Avx2.UnpackHigh(a, b), cdHigh = Avx2.UnpackHigh(c, d);
        w0 = Avx2.Permute2x128(ab, cd, 0x20);
        w1 = Avx2.Permute2x128(abHigh, cdHigh, 0x20);
        w2 = Avx2.Permute2x128(ab, cd, 0x31);
        w3 = Avx2.Permute2x128(abHigh, cdHigh, 0x31);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Limb Row(ulong* addresses, int lane, long offset) => Vector256.Load((ulong*)((byte*)addresses[lane] + offset));
}
