namespace Kedge.Crypto.Simd;

/// <summary>
/// What Poly1305 (RFC 8439, section 2.5) is to be computed over, lane by lane, and the tags that come out.
/// <para>
/// Poly1305 is a polynomial's value, by Horner's rule, so zeros before a message change nothing. Every lane is therefore filled up at its
/// front to the same number of steps, and all of them end together: mixed lengths need no masks in the arithmetic. A lane is a packet with
/// the block of lengths behind it; or, where packets are few, one of as many equal segments of a packet, whose values are put together
/// in the end.
/// </para>
/// </summary>
internal unsafe struct Poly1305Lanes
{
    /// <summary>As many as the widest kernel has.</summary>
    public const int Most = 8;

    /// <summary>Bytes that a lane takes in one step: four blocks, between which nothing is carried.</summary>
    public const int StepSize = 64;

    /// <summary>Bytes of a block.</summary>
    public const int BlockSize = 16;

    /// <summary>Blocks that a lane takes in one step.</summary>
    public const int StepBlocks = StepSize / BlockSize;

    /// <summary>
    /// Addresses of the first steps. Bytes before <see cref="Begin"/> are filling and those from <see cref="End"/> on are zero: neither
    /// are read.
    /// </summary>
    public fixed ulong Data[Most];

    /// <summary>Where the message begins in a lane: a multiple of 16, which may lie behind all steps.</summary>
    public fixed long Begin[Most];

    /// <summary>Where the message ends in a lane, without the block of lengths.</summary>
    public fixed long End[Most];

    /// <summary>The upper half of the last block of a lane, which is the ciphertext's length; 0 where another segment follows.</summary>
    public fixed ulong Length[Most];

    /// <summary>Addresses of the one-time keys: 64 bytes may be read, of which 32 are used.</summary>
    public fixed ulong Key[Most];

    /// <summary>The tags' lower halves; of segments, the first lane alone has it.</summary>
    public fixed ulong TagLow[Most];

    /// <summary>The tags' upper halves.</summary>
    public fixed ulong TagHigh[Most];

    /// <summary>Steps of every lane.</summary>
    public int Steps;

    /// <summary>Whether the lanes are segments of one message.</summary>
    public bool AreSegments;

    /// <summary>The blocks of a message and of the lengths behind it.</summary>
    public static int BlocksOf(int length) => (length + BlockSize - 1) / BlockSize + 1;

    /// <summary>The steps of a message that has a lane for itself.</summary>
    public static int StepsOf(int length) => (BlocksOf(length) + StepBlocks - 1) / StepBlocks;

    /// <summary>Makes a lane of a message; <see cref="Steps"/> has been set, and is not below the message's own.</summary>
    public void SetMessage(int lane, byte* message, int length, byte* key)
    {
        Set(lane, message, (long)Steps * StepSize - (long)BlocksOf(length) * BlockSize, length, key);
        Length[lane] = (ulong)length;
    }

    /// <summary>Makes segments of a message, in <paramref name="lanes"/> lanes.</summary>
    public void SetSegments(int lanes, byte* message, int length, byte* key)
    {
        long blocks = BlocksOf(length), blocksAtOnce = lanes * StepBlocks;
        Steps = (int)((blocks + blocksAtOnce - 1) / blocksAtOnce);
        AreSegments = true;
        long filling = (Steps * blocksAtOnce - blocks) * BlockSize;
        for (int lane = 0; lane < lanes; lane++)
        {
            Set(lane, message, filling - (long)lane * Steps * StepSize, length, key);
            Length[lane] = lane == lanes - 1 ? (ulong)length : 0;
        }
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
