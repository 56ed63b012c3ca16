using System.Buffers.Binary;

namespace Kedge.Startup;

/// <summary>
/// The build ID of a native program: the linker's digest of what it is made of, in the ELF note NT_GNU_BUILD_ID. The file with its symbols
/// has the same, and is found by it.
/// </summary>
internal static class BuildId
{
    // ELF64: the header's fields that matter, and the program headers' (elf(5)).
    private const int HeaderLength = 64, ProgramHeadersAt = 32, ProgramHeaderLengthAt = 54, ProgramHeaderCountAt = 56;
    private const int OffsetAt = 8, FileLengthAt = 32;
    private const uint Note = 4, GnuBuildId = 3;

    /// <summary>This program's, in hexadecimal digits; null where it is not a native program.</summary>
    public static string? OfThis()
    {
        if (!PacketProgram.IsNative)
            return null;
        using FileStream file = File.OpenRead("/proc/self/exe");
        Span<byte> start = stackalloc byte[4096]; // The headers and notes come first.
        return Read(start[..file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)]);
    }

    /// <summary>Reads the build ID from the beginning of a program's file; null where there is none in it.</summary>
    internal static string? Read(ReadOnlySpan<byte> file)
    {
        if (file.Length < HeaderLength || !file.StartsWith("\u007FELF\u0002\u0001"u8))
            return null;
        ulong headers = BinaryPrimitives.ReadUInt64LittleEndian(file[ProgramHeadersAt..]);
        int length = BinaryPrimitives.ReadUInt16LittleEndian(file[ProgramHeaderLengthAt..]);
        int count = BinaryPrimitives.ReadUInt16LittleEndian(file[ProgramHeaderCountAt..]);
        if (length < FileLengthAt + sizeof(ulong))
            return null;
        for (int i = 0; i < count; i++)
        {
            if (!TrySlice(file, headers + (ulong)(i * length), (ulong)length, out ReadOnlySpan<byte> header))
                return null;
            if (BinaryPrimitives.ReadUInt32LittleEndian(header) == Note
                && TrySlice(
                    file,
                    BinaryPrimitives.ReadUInt64LittleEndian(header[OffsetAt..]),
                    BinaryPrimitives.ReadUInt64LittleEndian(header[FileLengthAt..]),
                    out ReadOnlySpan<byte> notes)
                && FindIn(notes) is { } id)
            {
                return id;
            }
        }
        return null;
    }

    // A note is the lengths of name and content, a type, and both, each filled up to a multiple of four bytes.
    private static string? FindIn(ReadOnlySpan<byte> notes)
    {
        const int Lengths = 12;
        while (notes.Length >= Lengths)
        {
            uint name = BinaryPrimitives.ReadUInt32LittleEndian(notes), content = BinaryPrimitives.ReadUInt32LittleEndian(notes[4..]);
            uint type = BinaryPrimitives.ReadUInt32LittleEndian(notes[8..]);
            if (!TrySlice(notes, Lengths, name, out ReadOnlySpan<byte> owner)
                || !TrySlice(notes, Lengths + Padded(name), content, out ReadOnlySpan<byte> value))
            {
                return null;
            }
            if (type == GnuBuildId && owner.SequenceEqual("GNU\0"u8))
                return Convert.ToHexStringLower(value);
            ulong next = Lengths + Padded(name) + Padded(content);
            notes = next < (ulong)notes.Length ? notes[(int)next..] : default;
        }
        return null;
    }

    private static ulong Padded(uint length) => (length + 3UL) & ~3UL;

    private static bool TrySlice(ReadOnlySpan<byte> bytes, ulong start, ulong length, out ReadOnlySpan<byte> slice)
    {
        bool fits = start <= (ulong)bytes.Length && length <= (ulong)bytes.Length - start;
        slice = fits ? bytes.Slice((int)start, (int)length) : default;
        return fits;
    }
}
