using System.Buffers.Binary;
using Kedge.Startup;

namespace Kedge.Tests.Startup;

/// <summary>Files are laid out by hand as elf(5) describes them.</summary>
public sealed class BuildIdTests
{
    private static readonly byte[] Id = Convert.FromHexString("00112233445566778899aabbccddeeff00112233");

    [Fact]
    public void The_note_of_the_linker_is_found_behind_others() =>
        Assert.Equal(
            "00112233445566778899aabbccddeeff00112233",
            BuildId.Read(File(Note("GNU\0", 1, new byte[16]), Note("stapsdt\0", 3, [1]), Note("GNU\0", 3, Id))));

    [Fact]
    public void A_file_without_the_note_has_none()
    {
        Assert.Null(BuildId.Read(File(Note("GNU\0", 1, new byte[16]))));
        Assert.Null(BuildId.Read([]));
        Assert.Null(BuildId.Read("#!/bin/sh"u8));
    }

    [Fact]
    public void A_file_that_is_cut_or_damaged_never_throws()
    {
        byte[] whole = File(Note("GNU\0", 1, new byte[16]), Note("GNU\0", 3, Id));
        for (int length = 0; length < whole.Length; length++)
            Assert.Null(BuildId.Read(whole.AsSpan(0, length)));
        var random = new Random(11);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] damaged = [.. whole];
            for (int j = 0; j < 3; j++)
                damaged[random.Next(6, damaged.Length)] = (byte)random.Next(256);
            _ = BuildId.Read(damaged);
        }
    }

    // A header, a program header of another type, one of notes, and the notes.
    private static byte[] File(params byte[][] notes)
    {
        byte[] content = [.. notes.SelectMany(note => note)];
        byte[] file = new byte[64 + 2 * 56 + content.Length];
        "\u007FELF\u0002\u0001"u8.CopyTo(file);
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(32), 64);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(54), 56);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(56), 2);
        file[64] = 1;
        Span<byte> header = file.AsSpan(64 + 56);
        header[0] = 4;
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], 64 + 2 * 56);
        BinaryPrimitives.WriteUInt64LittleEndian(header[32..], (ulong)content.Length);
        content.CopyTo(file, 64 + 2 * 56);
        return file;
    }

    private static byte[] Note(string name, uint type, byte[] content)
    {
        byte[] note = new byte[12 + (name.Length + 3 & ~3) + (content.Length + 3 & ~3)];
        BinaryPrimitives.WriteInt32LittleEndian(note, name.Length);
        BinaryPrimitives.WriteInt32LittleEndian(note.AsSpan(4), content.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(note.AsSpan(8), type);
        System.Text.Encoding.ASCII.GetBytes(name).CopyTo(note, 12);
        content.CopyTo(note, 12 + (name.Length + 3 & ~3));
        return note;
    }
}
