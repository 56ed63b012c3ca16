namespace Kedge.Protocol.Discovery;

/// <summary>How willing and able a node is to be an anchor; the best first.</summary>
internal enum AnchorRank : byte
{
    /// <summary>Its certificate has the tag.</summary>
    Tagged,

    /// <summary>It says that strangers reach it.</summary>
    Reached,

    /// <summary>Any other node.</summary>
    Any,
}

/// <summary>One anchor in a digest, 16 bytes: <c>node(8) | rank(2 bits), sequence(62 bits)</c>.</summary>
/// <param name="Node">The node.</param>
/// <param name="Rank">Its rank.</param>
/// <param name="Sequence">The sequence of its record.</param>
internal readonly record struct DigestEntry(NodeId Node, AnchorRank Rank, long Sequence)
{
    /// <summary>Bytes of an entry.</summary>
    public const int Size = 16;

    /// <summary>The highest sequence that there can be.</summary>
    public const ulong MaximumSequence = (1UL << RankShift) - 1;

    private const int RankShift = 62;

    /// <summary>Whether it stands before another in the order of anchors.</summary>
    public bool IsBefore(DigestEntry other) => Rank != other.Rank ? Rank < other.Rank : Node < other.Node;

    /// <summary>Writes it.</summary>
    public void Write(FrameWriter writer)
    {
        writer.AddUInt64(Node.Value);
        writer.AddUInt64(((ulong)Rank << RankShift) | (ulong)Sequence);
    }

    /// <summary>Reads one.</summary>
    public static DigestEntry Read(ref FrameReader reader)
    {
        var node = new NodeId(reader.UInt64());
        ulong rest = reader.UInt64();
        var rank = (AnchorRank)Math.Min(rest >> RankShift, (ulong)AnchorRank.Any);
        return new DigestEntry(node, rank, (long)(rest & MaximumSequence));
    }
}
