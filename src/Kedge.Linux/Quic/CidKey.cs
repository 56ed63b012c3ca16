using System.Buffers.Binary;

namespace Kedge.Linux.Quic;

/// <summary>A connection identifier, by which packets find their connection.</summary>
internal readonly record struct CidKey(ulong A, ulong B, uint C, byte Length)
{
    /// <summary>The longest identifier of QUIC version 1.</summary>
    public const int MaximumLength = 20;

    /// <summary>Bytes of those that this program gives out.</summary>
    public const int OwnLength = 16;

    /// <summary>The identifier of so many bytes, at most <see cref="MaximumLength"/>.</summary>
    public static CidKey Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> padded = stackalloc byte[MaximumLength];
        padded.Clear();
        bytes.CopyTo(padded);
        return new CidKey(
            BinaryPrimitives.ReadUInt64LittleEndian(padded),
            BinaryPrimitives.ReadUInt64LittleEndian(padded[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(padded[16..]),
            (byte)bytes.Length);
    }
}
