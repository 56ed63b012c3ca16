namespace Kedge.Crypto.Simd;

/// <summary>What <see cref="PacketGroup{TKernels}"/> works in, on the stack. Secrets come first, so that one call wipes them.</summary>
internal unsafe struct GroupMemory
{
    /// <summary>Packets in a group: as many as the bits of the mask of those that are refused.</summary>
    public const int MostPackets = 32;

    /// <summary>Bytes of a block of keystream.</summary>
    public const int BlockSize = 64;

    /// <summary>An instance begins at a multiple of this, in bytes: a cache line, and a vector.</summary>
    public const int Alignment = 64;

    /// <summary>What the last call of the kernel gave.</summary>
    public fixed byte Keystream[BlockNumbers.Most * BlockSize];

    /// <summary>What Poly1305 makes of a packet that has all lanes for itself.</summary>
    public Poly1305Accumulator Accumulator;

    /// <summary>Block 0 of each packet: the one-time key of Poly1305 is its first half.</summary>
    public fixed byte Keys[MostPackets * BlockSize];

    /// <summary>The tags, each in two halves.</summary>
    public fixed ulong Tags[2 * MostPackets];

    /// <summary>The packets' indices, the longest packet first. Whatever else is kept by packet is in this order.</summary>
    public fixed byte Order[MostPackets];

    /// <summary>The blocks that the keystream is made of.</summary>
    public BlockNumbers Numbers;

    /// <summary>Which packet each piece of the keystream behind one-time keys belongs to.</summary>
    public fixed byte PiecePacket[BlockNumbers.Most];

    /// <summary>Where in its packet each piece begins.</summary>
    public fixed int PieceOffset[BlockNumbers.Most];

    /// <summary>What Poly1305 works on.</summary>
    public Poly1305Lanes Lanes;

    /// <summary>Wipes the secrets of groups of which none had more packets.</summary>
    public static void Wipe(GroupMemory* memory, int mostPackets)
    {
        int length = (int)(memory->Keys - (byte*)memory) + mostPackets * BlockSize;
        Wiping.Zero(memory, length);
    }
}
