using System.Buffers.Binary;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Relays;

/// <summary>What a <see cref="RelayFrame"/> says.</summary>
public enum RelayFrameKind : byte
{
    /// <summary>To a relay: pass datagrams on between the sender and a peer.</summary>
    Open = 1,

    /// <summary>From a relay: a peer wants to be reached; the channels are those of the receiver.</summary>
    Offer,

    /// <summary>To a relay: the offer of a peer is accepted.</summary>
    Accept,

    /// <summary>From a relay: the peer has accepted; the channels are those of the receiver.</summary>
    Opened,

    /// <summary>From a relay: it does not pass datagrams on between these two.</summary>
    Refused,
}

/// <summary>
/// What a device and a relay say to each other inside a WireGuard transport message. The first byte is no IP version, so a stock peer drops it.
/// On the wire, before WireGuard's padding, integers little-endian: <c>type(1) = 3 | kind(1) | length(2) | key(32) | out(4) | in(4)</c>.
/// </summary>
/// <param name="Kind">What it says.</param>
/// <param name="Key">The peer that is to be reached, or that wants to reach.</param>
/// <param name="Out">The channel of what the receiver sends to the peer; 0 if there is none.</param>
/// <param name="In">The channel of what comes from the peer; 0 if there is none.</param>
public readonly record struct RelayFrame(RelayFrameKind Kind, PublicKey Key, uint Out = 0, uint In = 0)
{
    /// <summary>The first byte.</summary>
    public const byte Type = ControlFrame.Relay;

    /// <summary>Its size in bytes.</summary>
    public const int Size = InOffset + sizeof(uint);

    private const int KeyOffset = 4;
    private const int OutOffset = KeyOffset + PublicKey.Size;
    private const int InOffset = OutOffset + sizeof(uint);

    /// <summary>Reads a frame, behind which there may be padding.</summary>
    /// <returns>False for what is no such frame.</returns>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out RelayFrame frame)
    {
        frame = default;
        if (bytes.Length < Size || bytes[0] != Type || BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]) != Size)
            return false;
        frame = new RelayFrame(
            (RelayFrameKind)bytes[1],
            PublicKey.FromBytes(bytes.Slice(KeyOffset, PublicKey.Size)),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[OutOffset..]),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[InOffset..]));
        return frame.Kind is >= RelayFrameKind.Open and <= RelayFrameKind.Refused;
    }

    /// <summary>The frame's bytes.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Size];
        (bytes[0], bytes[1]) = (Type, (byte)Kind);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2), Size);
        Key.CopyTo(bytes.AsSpan(KeyOffset));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(OutOffset), Out);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(InOffset), In);
        return bytes;
    }
}
