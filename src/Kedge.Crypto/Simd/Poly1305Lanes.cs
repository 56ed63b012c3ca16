namespace Kedge.Crypto.Simd;

/// <summary>
/// What Poly1305 (RFC 8439, section 2.5) is to be computed over, lane by lane, and the tags that come out.
/// <para>
/// Poly1305 is a polynomial's value, by Horner's rule, so zeros before a message change nothing. Every lane is therefore filled up at its
/// front to the same number of steps, and all of them end together: mixed lengths need no masks in the arithmetic. A lane is a packet with
/// the block of lengths behind it.
/// </para>
/// </summary>
internal unsafe struct Poly1305Lanes
{
    /// <summary>As many as the widest kernel has.</summary>
    public const int Most = 8;

    /// <summary>Bytes that a lane takes in one step: four blocks, between which nothing is carried.</summary>
    public const int StepSize = 64;

    /// <summary>Blocks that a lane takes in one step.</summary>
    public const int StepBlocks = StepSize / Poly1305.BlockSize;

    /// <summary>
    /// Addresses of the first steps. Bytes before <see cref="Begin"/> are filling and those from <see cref="End"/> on are zero: neither
    /// are read.
    /// </summary>
    public fixed ulong Data[Most];

    /// <summary>Where the message begins in a lane: a multiple of 16, which may lie behind all steps.</summary>
    public fixed long Begin[Most];

    /// <summary>Where the message ends in a lane, without the block of lengths.</summary>
    public fixed long End[Most];

    /// <summary>The upper half of the last block of a lane, which is the ciphertext's length.</summary>
    public fixed ulong Length[Most];

    /// <summary>Addresses of the one-time keys: 64 bytes may be read, of which 32 are used.</summary>
    public fixed ulong Key[Most];

    /// <summary>The tags' lower halves.</summary>
    public fixed ulong TagLow[Most];

    /// <summary>The tags' upper halves.</summary>
    public fixed ulong TagHigh[Most];

    /// <summary>Steps of every lane.</summary>
    public int Steps;

    /// <summary>The blocks of a message and of the lengths behind it.</summary>
    public static int BlocksOf(int length) => (length + Poly1305.BlockSize - 1) / Poly1305.BlockSize + 1;

    /// <summary>The steps of a message that has a lane for itself.</summary>
    public static int StepsOf(int length) => (BlocksOf(length) + StepBlocks - 1) / StepBlocks;

    /// <summary>Makes a lane of a message; <see cref="Steps"/> has been set, and is not below the message's own.</summary>
    public void SetMessage(int lane, byte* message, int length, byte* key)
    {
        Set(lane, message, (long)Steps * StepSize - (long)BlocksOf(length) * Poly1305.BlockSize, length, key);
        Length[lane] = (ulong)length;
    }

    /// <summary>The step from which on every lane is full, until <see cref="EndOfFull"/>.</summary>
    public long FirstFull(int lanes)
    {
        long begin = 0;
        for (int lane = 0; lane < lanes; lane++)
            begin = Math.Max(begin, Begin[lane]);
        return (begin + StepSize - 1) / StepSize;
    }

    /// <summary>The first step in which some lane is no longer full.</summary>
    public long EndOfFull(int lanes)
    {
        long end = long.MaxValue;
        for (int lane = 0; lane < lanes; lane++)
            end = Math.Min(end, End[lane]);
        return end / StepSize;
    }

    private void Set(int lane, byte* message, long begin, int length, byte* key)
    {
        Data[lane] = (ulong)(message - begin);
        Begin[lane] = Math.Max(begin, 0);
        End[lane] = begin + length;
        Key[lane] = (ulong)key;
    }
}
