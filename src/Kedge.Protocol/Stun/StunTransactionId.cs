using System.Buffers.Binary;

namespace Kedge.Protocol.Stun;

/// <summary>The 96 random bits that a response must echo (RFC 8489, section 5).</summary>
/// <param name="High">The first 4 bytes.</param>
/// <param name="Low">The other 8 bytes.</param>
public readonly record struct StunTransactionId(uint High, ulong Low)
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 12;

    /// <summary>A new identifier.</summary>
    public static StunTransactionId Create(RandomBytes random)
    {
        ArgumentNullException.ThrowIfNull(random);
        Span<byte> bytes = stackalloc byte[Size];
        random(bytes);
        return Read(bytes);
    }

    /// <summary>Reads an identifier from its 12 bytes.</summary>
    public static StunTransactionId Read(ReadOnlySpan<byte> bytes) =>
        new(BinaryPrimitives.ReadUInt32BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[4..]));

    /// <summary>Writes the identifier's 12 bytes.</summary>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32BigEndian(destination, High);
        BinaryPrimitives.WriteUInt64BigEndian(destination[4..], Low);
    }
}
