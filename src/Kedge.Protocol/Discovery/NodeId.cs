using System.Buffers.Binary;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Discovery;

/// <summary>What a node is called among its like: the first 8 bytes of its WireGuard key's SHA-256. It also says where among others it stands.</summary>
/// <param name="Value">The bytes as a number, the first one the most significant.</param>
public readonly record struct NodeId(ulong Value) : IComparable<NodeId>
{
    /// <summary>Its size in bytes.</summary>
    public const int Size = sizeof(ulong);

    /// <summary>The identifier of the node that has a key.</summary>
    public static NodeId Of(PublicKey key)
    {
        Span<byte> bytes = stackalloc byte[PublicKey.Size];
        key.CopyTo(bytes);
        Sha256Digest.Of(bytes).CopyTo(bytes);
        return new NodeId(BinaryPrimitives.ReadUInt64BigEndian(bytes));
    }

    /// <inheritdoc/>
    public int CompareTo(NodeId other) => Value.CompareTo(other.Value);

    /// <summary>Whether <paramref name="a"/> is lower than <paramref name="b"/>.</summary>
    public static bool operator <(NodeId a, NodeId b) => a.Value < b.Value;

    /// <summary>Whether <paramref name="a"/> is higher than <paramref name="b"/>.</summary>
    public static bool operator >(NodeId a, NodeId b) => a.Value > b.Value;

    /// <summary>Whether <paramref name="a"/> is no higher than <paramref name="b"/>.</summary>
    public static bool operator <=(NodeId a, NodeId b) => a.Value <= b.Value;

    /// <summary>Whether <paramref name="a"/> is no lower than <paramref name="b"/>.</summary>
    public static bool operator >=(NodeId a, NodeId b) => a.Value >= b.Value;

    /// <summary>The identifier in hexadecimal.</summary>
    public override string ToString() => Value.ToString("x16", System.Globalization.CultureInfo.InvariantCulture);
}
