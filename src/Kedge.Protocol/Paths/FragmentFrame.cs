using System.Buffers.Binary;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <summary>
/// One half of a packet that is longer than the path carries, inside a WireGuard transport message. Its first byte is no IP version, so a
/// stock peer drops it. On the wire, before WireGuard's padding, integers little-endian:
/// <code>
/// type(1) = 2 | flags(1): 1 second half | length(2) | id(4) | body
/// </code>
/// The length is that of the frame; both halves of a packet have one identifier, which its sender does not use again soon.
/// </summary>
public static class FragmentFrame
{
    /// <summary>The first byte.</summary>
    public const byte Type = ControlFrame.Fragment;

    /// <summary>Bytes in front of the body.</summary>
    public const int HeaderSize = 8;

    /// <summary>Bytes of the longest body.</summary>
    public const int MaximumBody = 2048 - HeaderSize;

    private const byte SecondFlag = 1;

    /// <summary>Bytes of the frame of a half of a packet.</summary>
    /// <param name="packetLength">Bytes of the packet.</param>
    /// <param name="isSecond">Which half.</param>
    public static int SizeOf(int packetLength, bool isSecond) =>
        HeaderSize + (isSecond ? packetLength - FirstBody(packetLength) : FirstBody(packetLength));

    /// <summary>Whether both halves of a packet can be sent.</summary>
    /// <param name="packetLength">Bytes of the packet.</param>
    /// <param name="longest">Bytes of the longest frame that the path carries.</param>
    public static bool Fits(int packetLength, int longest) =>
        FirstBody(packetLength) is var body && body <= MaximumBody && body + HeaderSize <= longest;

    /// <summary>Writes a half of a packet.</summary>
    /// <param name="packet">The packet.</param>
    /// <param name="isSecond">Which half.</param>
    /// <param name="id">What both halves have in common.</param>
    /// <param name="frame">Receives the frame; elsewhere than the packet.</param>
    public static void Write(ReadOnlySpan<byte> packet, bool isSecond, uint id, Span<byte> frame)
    {
        int first = FirstBody(packet.Length);
        ReadOnlySpan<byte> body = isSecond ? packet[first..] : packet[..first];
        int length = HeaderSize + body.Length;
        frame[0] = Type;
        frame[1] = isSecond ? SecondFlag : (byte)0;
        BinaryPrimitives.WriteUInt16LittleEndian(frame[2..], (ushort)length);
        BinaryPrimitives.WriteUInt32LittleEndian(frame[4..], id);
        body.CopyTo(frame[HeaderSize..]);
    }

    /// <summary>Reads a frame, behind which there may be padding.</summary>
    /// <returns>False for what is no such frame, or has no body, or one that is too long.</returns>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out uint id, out bool isSecond, out ReadOnlySpan<byte> body)
    {
        (id, isSecond) = (0, false);
        body = default;
        if (bytes.Length <= HeaderSize || bytes[0] != Type)
            return false;
        int length = BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]);
        if (length is <= HeaderSize or > HeaderSize + MaximumBody || length > bytes.Length)
            return false;
        isSecond = (bytes[1] & SecondFlag) != 0;
        id = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
        body = bytes[HeaderSize..length];
        return true;
    }

    // Both halves are about as long, so that they make one run of datagrams.
    private static int FirstBody(int packetLength) => (packetLength + 1) / 2;
}
