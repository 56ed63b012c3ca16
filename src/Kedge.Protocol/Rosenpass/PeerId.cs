using System.Buffers.Binary;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// The hash of a static public key, which is its holder's name on the wire and in what <c>rosenpass</c> prints: 32 bytes. It depends on
/// the dialect's hash. A value that may be shown and logged.
/// </summary>
public readonly record struct PeerId
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 32;

    private readonly UInt128 _high, _low;

    private PeerId(UInt128 high, UInt128 low) => (_high, _low) = (high, low);

    /// <summary>The id in <paramref name="bytes"/>, 32 of them.</summary>
    public static PeerId FromBytes(ReadOnlySpan<byte> bytes) =>
        new(BinaryPrimitives.ReadUInt128BigEndian(bytes), BinaryPrimitives.ReadUInt128BigEndian(bytes[16..Size]));

    /// <summary>Writes the 32 bytes.</summary>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt128BigEndian(destination, _high);
        BinaryPrimitives.WriteUInt128BigEndian(destination[16..], _low);
    }

    /// <summary>Whether this id's bytes come before the other's in lexical order.</summary>
    internal bool IsBefore(PeerId other) => _high < other._high || (_high == other._high && _low < other._low);

    /// <summary>The id in base64, as <c>rosenpass</c> prints it.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Size];
        CopyTo(bytes);
        return Convert.ToBase64String(bytes);
    }
}
