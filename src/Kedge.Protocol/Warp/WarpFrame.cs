using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace Kedge.Protocol.Warp;

/// <summary>What a frame of the first stream says.</summary>
public enum WarpFrameKind : byte
{
    /// <summary>The connector names itself: its uid.</summary>
    Hello = 1,

    /// <summary>The listener lets it in.</summary>
    Accepted = 2,

    /// <summary>The listener does not let it in, and closes the connection.</summary>
    Refused = 3,
}

/// <summary>How much of a frame or header has come.</summary>
public enum WarpParse
{
    /// <summary>What has come may be the beginning of one.</summary>
    Incomplete,

    /// <summary>All of it.</summary>
    Complete,

    /// <summary>It is none, or is too long.</summary>
    Invalid,
}

/// <summary>
/// A frame of a connector's first stream: <c>kind(1) | length(2) | body</c>, big-endian. The body of a hello is the uid, of a refusal a
/// <see cref="WarpRefusal"/> and a sentence. Kinds that are not known are passed over.
/// </summary>
/// <param name="Kind">What it says.</param>
/// <param name="Refusal">Why a connector is not let in.</param>
/// <param name="Text">The uid of a hello, or the sentence of a refusal; empty otherwise.</param>
/// <param name="Length">Bytes of the whole frame.</param>
public readonly record struct WarpFrame(WarpFrameKind Kind, WarpRefusal Refusal, string Text, int Length)
{
    /// <summary>Bytes of the longest frame.</summary>
    public const int MaximumLength = HeaderSize + MaximumBody;

    private const int HeaderSize = 3;
    private const int MaximumBody = 512;

    /// <summary>A registration.</summary>
    /// <param name="uid">The connector's uid.</param>
    public static byte[] Hello(string uid) => Write(WarpFrameKind.Hello, Encoding.UTF8.GetBytes(uid));

    /// <summary>What a connector is told that is let in.</summary>
    public static byte[] Accepted() => Write(WarpFrameKind.Accepted, []);

    /// <summary>What a connector is told that is not let in.</summary>
    /// <param name="refusal">Why.</param>
    /// <param name="sentence">Why, for a person; cut where it is too long.</param>
    public static byte[] Refused(WarpRefusal refusal, string sentence)
    {
        Span<byte> body = stackalloc byte[MaximumBody];
        body[0] = (byte)refusal;
        // Cuts between characters.
        Utf8.FromUtf16(sentence, body[1..], out _, out int length, replaceInvalidSequences: true);
        return Write(WarpFrameKind.Refused, body[..(length + 1)]);
    }

    /// <summary>Reads a frame from what a stream has next.</summary>
    /// <param name="received">What has come; may extend beyond the frame.</param>
    /// <param name="frame">The frame, if it is complete.</param>
    public static WarpParse Parse(ReadOnlySpan<byte> received, out WarpFrame frame)
    {
        frame = default;
        if (received.Length < HeaderSize)
            return WarpParse.Incomplete;
        int length = BinaryPrimitives.ReadUInt16BigEndian(received[1..]);
        if (length > MaximumBody)
            return WarpParse.Invalid;
        if (received.Length < HeaderSize + length)
            return WarpParse.Incomplete;
        ReadOnlySpan<byte> body = received.Slice(HeaderSize, length);
        var kind = (WarpFrameKind)received[0];
        var refusal = WarpRefusal.None;
        if (kind == WarpFrameKind.Refused)
        {
            if (body.IsEmpty)
                return WarpParse.Invalid;
            refusal = (WarpRefusal)body[0];
            body = body[1..];
        }
        if (!Utf8.IsValid(body) || (kind == WarpFrameKind.Hello && !Uid.IsValid(Encoding.UTF8.GetString(body))))
            return WarpParse.Invalid;
        string text = kind is WarpFrameKind.Hello or WarpFrameKind.Refused ? Encoding.UTF8.GetString(body) : "";
        frame = new WarpFrame(kind, refusal, text, HeaderSize + length);
        return WarpParse.Complete;
    }

    private static byte[] Write(WarpFrameKind kind, ReadOnlySpan<byte> body)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(body.Length, MaximumBody);
        byte[] frame = new byte[HeaderSize + body.Length];
        frame[0] = (byte)kind;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(1), (ushort)body.Length);
        body.CopyTo(frame.AsSpan(HeaderSize));
        return frame;
    }
}

/// <summary>The name of a connector: the common name of its certificate.</summary>
public static class Uid
{
    /// <summary>Bytes of the longest.</summary>
    public const int MaximumLength = 255;

    /// <summary>Whether a text can be one: 1 to 255 bytes that can be shown.</summary>
    public static bool IsValid(string text) =>
        text.Length > 0 && Encoding.UTF8.GetByteCount(text) <= MaximumLength && text.EnumerateRunes().All(PrintableText.IsPrintable);
}
