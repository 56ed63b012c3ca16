using System.Buffers.Binary;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// Frames with records and certificates: <c>kind(1): 1 a certificate, 2 a record, 3 the identifier of a node of which there is none any more | length(2)
/// | bytes</c> for each. They are packed tightly, a certificate never behind its record.
/// </summary>
internal static class RecordsFrame
{
    /// <summary>The kind of a certificate.</summary>
    public const byte Certificate = 1;

    /// <summary>The kind of a record.</summary>
    public const byte Record = 2;

    /// <summary>The kind of a node of which there is no record.</summary>
    public const byte Nothing = 3;

    private const int ItemHeaderSize = 3;

    /// <summary>A node's own record, which nobody has asked for.</summary>
    public static byte[] OfOne(NodeRecord record)
    {
        FrameWriter writer = FrameWriter.Begin(DiscoveryFrameKind.Records, 0);
        Add(writer, Record, record.Bytes.Span);
        return writer.ToFrame();
    }

    /// <summary>What some nodes are known by. A certificate that is longer than a frame is left out: its receiver asks for it.</summary>
    /// <param name="id">The id of the question.</param>
    /// <param name="members">The nodes, which have records.</param>
    /// <param name="withCertificates">Whether their certificates go along.</param>
    /// <param name="lacking">Nodes that were asked for, and of which there is no record.</param>
    public static IReadOnlyList<byte[]> Pack(uint id, IEnumerable<Member> members, bool withCertificates, IReadOnlyCollection<NodeId> lacking)
    {
        List<byte[]> frames = [];
        if (lacking.Count > 0)
        {
            FrameWriter writer = FrameWriter.Begin(DiscoveryFrameKind.Records, id);
            Span<byte> bytes = stackalloc byte[NodeId.Size];
            foreach (NodeId node in lacking)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(bytes, node.Value);
                Add(writer, Nothing, bytes);
            }
            frames.Add(writer.ToFrame());
        }
        List<Member> records = [.. members];
        HashSet<NodeId> waiting = []; // those whose certificates are not in a frame yet
        List<Member> certificates = [];
        if (withCertificates)
        {
            certificates.AddRange(records.Where(member =>
                member.Certificate.Der.Length + ItemHeaderSize + DiscoveryFrame.HeaderSize <= DiscoveryFrame.MaximumSize));
            waiting.UnionWith(certificates.Select(member => member.Id));
        }
        while (certificates.Count + records.Count > 0)
        {
            FrameWriter writer = FrameWriter.Begin(DiscoveryFrameKind.Records, id);
            certificates.RemoveAll(member => TryAdd(writer, Certificate, member.Certificate.Der.Span) && waiting.Remove(member.Id));
            records.RemoveAll(member => !waiting.Contains(member.Id) && TryAdd(writer, Record, member.Record!.Bytes.Span));
            frames.Add(writer.ToFrame());
        }
        return frames;
    }

    /// <summary>Reads the next item.</summary>
    /// <returns>False at the end, also where that is broken.</returns>
    public static bool TryReadNext(ref FrameReader reader, out byte kind, out ReadOnlySpan<byte> bytes)
    {
        kind = 0;
        bytes = default;
        if (reader.IsEmpty)
            return false;
        kind = reader.Byte();
        bytes = reader.Counted();
        return reader.IsValid;
    }

    private static bool TryAdd(FrameWriter writer, byte kind, ReadOnlySpan<byte> bytes)
    {
        if (writer.Room < bytes.Length + ItemHeaderSize)
            return false;
        Add(writer, kind, bytes);
        return true;
    }

    private static void Add(FrameWriter writer, byte kind, ReadOnlySpan<byte> bytes)
    {
        writer.AddByte(kind);
        writer.AddCounted(bytes);
    }
}
