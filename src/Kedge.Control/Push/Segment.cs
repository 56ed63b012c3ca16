using System.IO.Compression;

namespace Kedge.Control.Push;

/// <summary>
/// What brings a stream from one position to another: frames that are put together once and shared by all streams that go the same way.
/// Compressed, it is a gzip member of its own (RFC 1952 section 2.2), so that it does not depend on what a stream was sent before. Any thread.
/// </summary>
internal sealed class Segment
{
    private readonly Lazy<byte[]> _plain;
    private readonly Lazy<byte[]> _compressed;

    public Segment(IReadOnlyList<byte[]> frames, long to, bool isSnapshot = false)
    {
        To = to;
        Length = frames.Sum(frame => (long)frame.Length);
        IsSnapshot = isSnapshot;
        _plain = new Lazy<byte[]>(() => Join(frames));
        _compressed = new Lazy<byte[]>(() => Compress(frames));
    }

    /// <summary>The number in the feed's sequence that it leads to.</summary>
    public long To { get; }

    /// <summary>The bytes of its frames, before compression.</summary>
    public long Length { get; }

    /// <summary>Whether it is a whole map.</summary>
    public bool IsSnapshot { get; }

    /// <summary>The bytes to send.</summary>
    public ReadOnlyMemory<byte> Bytes(bool compressed) => (compressed ? _compressed : _plain).Value;

    /// <summary>A single frame, not shared.</summary>
    public static ReadOnlyMemory<byte> Single(byte[] frame, bool compressed) => compressed ? Compress([frame]) : frame;

    private static byte[] Join(IReadOnlyList<byte[]> frames)
    {
        byte[] bytes = new byte[frames.Sum(frame => frame.Length)];
        int end = 0;
        foreach (byte[] frame in frames)
        {
            frame.CopyTo(bytes, end);
            end += frame.Length;
        }
        return bytes;
    }

    private static byte[] Compress(IReadOnlyList<byte[]> frames)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Optimal, leaveOpen: true))
        {
            foreach (byte[] frame in frames)
                gzip.Write(frame);
        }
        return compressed.ToArray();
    }
}
