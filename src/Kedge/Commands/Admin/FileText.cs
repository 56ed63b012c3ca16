using System.Text;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;

namespace Kedge.Commands.Admin;

/// <summary>Files that a person names.</summary>
internal static class FileText
{
    /// <summary>Reads a file, or standard input where it is called <c>-</c>.</summary>
    /// <exception cref="UserError">It cannot be read.</exception>
    public static string Read(string path)
    {
        try
        {
            return path == "-" ? Console.In.ReadToEnd() : File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Writes a file that only its owner can read, or replaces the one that is there.</summary>
    /// <exception cref="UserError">It cannot be written.</exception>
    public static void Write(string path, string text) => Write(path, Encoding.UTF8.GetBytes(text));

    /// <inheritdoc cref="Write(string, string)"/>
    public static void Write(string path, ReadOnlySpan<byte> contents)
    {
        try
        {
            PrivateFile.Write(path, contents);
        }
        catch (LinuxException e)
        {
            throw new UserError(e.Message, e);
        }
    }

    /// <summary>Refuses a file that is there, or whose folder is not, before something is made that is to be written to it.</summary>
    /// <exception cref="UserError">It is there, or cannot be.</exception>
    public static void RequireNew(string path)
    {
        if (Path.Exists(path))
            throw new UserError($"{path} is there already, and is not replaced. Delete it, or choose another file.");
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is not { } folder || !Directory.Exists(folder))
            throw new UserError($"{path} cannot be written: its folder is not there.");
    }
}
