using System.Buffers.Binary;
using System.Security.Cryptography;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// Which anchors know where an address is: those that hash highest with it (rendezvous hashing). Whoever has the same view comes to the same
/// order, and where an anchor goes only what it knew moves.
/// </summary>
internal static class HomeOrder
{
    /// <summary>The anchors in the order in which they are asked.</summary>
    public static Member[] Of(IReadOnlyList<Member> anchors, IpAddress address)
    {
        var scores = new ulong[anchors.Count];
        var order = new Member[anchors.Count];
        for (int i = 0; i < anchors.Count; i++)
            (scores[i], order[i]) = (~Score(anchors[i].Id, address), anchors[i]);
        Array.Sort(scores, order);
        return order;
    }

    /// <summary>How high an anchor hashes with an address: the first 8 bytes of SHA-256(anchor, address as IPv6).</summary>
    public static ulong Score(NodeId anchor, IpAddress address)
    {
        Span<byte> input = stackalloc byte[NodeId.Size + 16], hash = stackalloc byte[SHA256.HashSizeInBytes];
        BinaryPrimitives.WriteUInt64BigEndian(input, anchor.Value);
        EndpointBytes.WriteAddress(address, input[NodeId.Size..]);
        SHA256.HashData(input, hash);
        return BinaryPrimitives.ReadUInt64BigEndian(hash);
    }
}
