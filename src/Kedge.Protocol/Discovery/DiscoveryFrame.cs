using System.Buffers.Binary;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Discovery;

/// <summary>What a frame of the discovery says.</summary>
internal enum DiscoveryFrameKind : byte
{
    /// <summary>A node introduces itself to a peer that has just connected.</summary>
    Hello = 1,

    /// <summary>Which anchors a node knows, and how new what it knows of them is. Answered by <see cref="Offer"/>.</summary>
    Digest,

    /// <summary>Which anchors a digest lacked.</summary>
    Offer,

    /// <summary>Asks for records. Answered by <see cref="Records"/>.</summary>
    Want,

    /// <summary>Records and certificates; or a node's own record, which nobody has asked for.</summary>
    Records,

    /// <summary>Asks who has an address. Answered by <see cref="Answer"/>.</summary>
    Lookup,

    /// <summary>Who has it.</summary>
    Answer,

    /// <summary>A node wants to be introduced to another one, or is.</summary>
    Introduce,

    /// <summary>A node asks an anchor to know where it is. Answered by <see cref="Registered"/>.</summary>
    Register,

    /// <summary>The anchor knows.</summary>
    Registered,

    /// <summary>Asks for a part of something long. Answered by <see cref="Part"/>.</summary>
    Get,

    /// <summary>A part of something long.</summary>
    Part,

    /// <summary>Which revocation lists a node has.</summary>
    Lists,

    /// <summary>A node leaves.</summary>
    Goodbye,
}

/// <summary>
/// What nodes of a network without a controller say to each other inside a WireGuard transport message. The first byte is no IP version, so a
/// stock peer drops it. On the wire, before WireGuard's padding, integers little-endian:
/// <code>
/// type(1) = 4 | kind(1) | length(2) | id(4) | body
/// </code>
/// The length is that of the frame. An answer has the id of its question. A receiver ignores kinds that it does not know, and what is behind the
/// body's end as it knows it.
/// </summary>
public static class DiscoveryFrame
{
    /// <summary>The first byte.</summary>
    public const byte Type = ControlFrame.Discovery;

    /// <summary>Bytes of the longest frame.</summary>
    public const int MaximumSize = ControlFrame.MaximumSize;

    /// <summary>Bytes in front of the body.</summary>
    internal const int HeaderSize = 8;

    /// <summary>Reads the header.</summary>
    /// <param name="bytes">The frame, behind which there may be padding.</param>
    /// <param name="kind">What it says; may be none that exists.</param>
    /// <param name="id">The id.</param>
    /// <param name="body">The body.</param>
    /// <returns>False for what is no such frame.</returns>
    internal static bool TryRead(ReadOnlySpan<byte> bytes, out DiscoveryFrameKind kind, out uint id, out ReadOnlySpan<byte> body)
    {
        kind = default;
        id = 0;
        body = default;
        if (bytes.Length < HeaderSize || bytes[0] != Type)
            return false;
        int length = BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]);
        if (length < HeaderSize || length > Math.Min(bytes.Length, MaximumSize))
            return false;
        kind = (DiscoveryFrameKind)bytes[1];
        id = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
        body = bytes[HeaderSize..length];
        return true;
    }
}
