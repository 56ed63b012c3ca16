using System.Buffers.Binary;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Knock;

/// <summary>
/// The message that carries a part of a certificate, from an offset on; or that asks for the part from an offset on, and then what is
/// behind the offset means nothing.
/// </summary>
internal static class KnockPart
{
    /// <summary>Seals as much of a certificate as fits.</summary>
    /// <param name="cipher">Seals it.</param>
    /// <param name="receiver">The receiver's index.</param>
    /// <param name="certificate">The whole certificate.</param>
    /// <param name="offset">Where the part begins, within the certificate.</param>
    /// <param name="datagram">Receives the datagram, at most <see cref="KnockMessage.MaximumSize"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    public static int Seal(KnockCipher cipher, uint receiver, ReadOnlySpan<byte> certificate, int offset, Span<byte> datagram)
    {
        ReadOnlySpan<byte> bytes = certificate[offset..];
        bytes = bytes[..Math.Min(bytes.Length, KnockMessage.MaximumPart)];
        WriteOffset(datagram, offset);
        bytes.CopyTo(datagram[(KnockMessage.HeaderSize + KnockMessage.PartHeaderSize)..]);
        return cipher.Seal(Datagram.KnockPart, receiver, datagram, KnockMessage.PartHeaderSize + bytes.Length);
    }

    /// <summary>Seals a wish for the part from an offset on.</summary>
    /// <param name="cipher">Seals it.</param>
    /// <param name="receiver">The receiver's index.</param>
    /// <param name="offset">Where the part is to begin.</param>
    /// <param name="padding">Zeros behind it: its receiver answers with no more bytes than it got.</param>
    /// <param name="datagram">Receives the datagram.</param>
    /// <returns>Bytes written.</returns>
    public static int SealWish(KnockCipher cipher, uint receiver, int offset, int padding, Span<byte> datagram)
    {
        WriteOffset(datagram, offset);
        datagram.Slice(KnockMessage.HeaderSize + KnockMessage.PartHeaderSize, padding).Clear();
        return cipher.Seal(Datagram.KnockPart, receiver, datagram, KnockMessage.PartHeaderSize + padding);
    }

    /// <summary>Opens one where it lies.</summary>
    /// <param name="cipher">Opens it.</param>
    /// <param name="datagram">The datagram, at least 40 bytes; used up.</param>
    /// <param name="offset">The offset.</param>
    /// <param name="bytes">What is behind it, within the datagram.</param>
    /// <returns>Whether it is authentic and later than all before it.</returns>
    public static bool TryOpen(KnockCipher cipher, Span<byte> datagram, out int offset, out ReadOnlySpan<byte> bytes)
    {
        offset = 0;
        bytes = default;
        if (!cipher.TryOpen(datagram, out Span<byte> plaintext))
            return false;
        offset = BinaryPrimitives.ReadUInt16LittleEndian(plaintext);
        bytes = plaintext[KnockMessage.PartHeaderSize..];
        return true;
    }

    private static void WriteOffset(Span<byte> datagram, int offset)
    {
        datagram.Slice(KnockMessage.HeaderSize, KnockMessage.PartHeaderSize).Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(datagram[KnockMessage.HeaderSize..], (ushort)offset);
    }
}
