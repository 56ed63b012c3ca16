using System.Text;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;

namespace Kedge.Commands;

/// <summary>Files that a person names.</summary>
internal static class FileText
{
    /// <summary>Reads a file or pipe in UTF-8, or standard input if the path is <c>-</c>.</summary>
    /// <param name="path">The path.</param>
    /// <param name="hint">What to do if it cannot be read: one or more sentences; empty for nothing.</param>
    /// <exception cref="UserError">It does not exist, or cannot be read.</exception>
    public static string Read(string path, string hint = "")
    {
        if (path == "-")
            return Console.In.ReadToEnd();
        try
        {
            if (!PrivateFile.TryRead(path, out byte[]? contents))
                throw new UserError($"There is no file {path}. {hint}".TrimEnd());
            using var reader = new StreamReader(new MemoryStream(contents));
            return reader.ReadToEnd();
        }
        catch (LinuxException e)
        {
            throw new UserError($"{path} cannot be read: {e.Message}. {hint}".TrimEnd(), e);
        }
    }

    /// <summary>Writes a file that only its owner can read, as <see cref="OutputFile"/> does.</summary>
    /// <exception cref="UserError">It cannot be written.</exception>
    public static void Write(string path, string text) => Write(path, Encoding.UTF8.GetBytes(text));

    /// <inheritdoc cref="Write(string, string)"/>
    public static void Write(string path, ReadOnlySpan<byte> contents)
    {
        try
        {
            OutputFile.Write(path, contents);
        }
        catch (LinuxException e)
        {
            throw new UserError($"{path} cannot be written: {e.Message}.", e);
        }
    }

    /// <summary>
    /// Refuses an output that would replace a file, or whose folder does not exist, before the command creates what is to be written to it.
    /// </summary>
    /// <exception cref="UserError">The file exists, or cannot be created.</exception>
    public static void RequireNew(string path)
    {
        if (Directory.Exists(path))
            throw new UserError($"{path} is a folder. Name a file in it.");
        if (OutputFile.WouldReplace(path))
            throw new UserError($"{path} exists already, and is not replaced. Delete it, or choose another file.");
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is not { } folder || !Directory.Exists(folder))
            throw new UserError($"{path} cannot be written: its folder does not exist.");
    }
}
