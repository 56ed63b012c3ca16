using System.Security.Cryptography;
using System.Text;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;

namespace Kedge.Commands.Service;

/// <summary>Who wrote a file.</summary>
internal enum FileOrigin
{
    /// <summary>There is none.</summary>
    Absent,

    /// <summary>Generated here, and not changed since.</summary>
    Generated,

    /// <summary>Written by somebody else, or changed since it was generated.</summary>
    Foreign,
}

/// <summary>
/// A text file that <c>kedge service install</c> writes. Its first line is a comment with a digest of the rest, so that one that a person
/// has changed is recognised, and neither replaced nor removed.
/// </summary>
internal static class GeneratedFile
{
    private const string Mark =
        "# Made by 'kedge service install', which replaces and removes this file as long as nobody else has changed it. sha256=";
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>The mode of a file that everybody may read, 0644.</summary>
    public const UnixFileMode Public = Owner | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>The mode of a file that may hold a secret, 0600.</summary>
    public const UnixFileMode Private = Owner;

    /// <summary>Who wrote a file.</summary>
    /// <exception cref="UserError">It cannot be read.</exception>
    public static FileOrigin OriginOf(string path) => Read(path) is not { } text ? FileOrigin.Absent
        : text == WithMark(WithoutMark(text)) ? FileOrigin.Generated
        : FileOrigin.Foreign;

    /// <summary>A file's contents without the first line, where that is ours; null where there is no file.</summary>
    /// <exception cref="UserError">It cannot be read.</exception>
    public static string? ReadBody(string path) => Read(path) is { } text ? WithoutMark(text) : null;

    /// <summary>Writes a file, or replaces one that was generated. One with the same contents is left alone, whoever made it.</summary>
    /// <returns>Whether anything has changed.</returns>
    /// <exception cref="UserError">There is another file, or it cannot be written.</exception>
    public static bool Write(string path, string body, UnixFileMode mode)
    {
        if (ReadBody(path) is { } before)
        {
            if (before.Trim() == body.Trim())
                return false;
            if (OriginOf(path) == FileOrigin.Foreign)
            {
                throw new UserError(
                    $"{path} is there already, and 'kedge service install' has not made it, or it was changed since. It is not replaced: "
                    + "move it away, or change it by hand and leave out the options that would.");
            }
        }
        try
        {
            PrivateFile.Write(path, Encoding.UTF8.GetBytes(WithMark(body)));
            File.SetUnixFileMode(path, mode);
            return true;
        }
        catch (Exception e) when (e is LinuxException or IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{path} cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Removes a file that was generated.</summary>
    /// <param name="path">The file, which need not exist.</param>
    /// <param name="evenForeign">Whether to remove it also where somebody else has written it.</param>
    /// <returns>Whether nothing is there now.</returns>
    /// <exception cref="UserError">It cannot be removed.</exception>
    public static bool Remove(string path, bool evenForeign = false)
    {
        FileOrigin origin = OriginOf(path);
        if (origin == FileOrigin.Absent)
            return true; // its folder may be gone too
        if (origin == FileOrigin.Foreign && !evenForeign)
            return false;
        try
        {
            File.Delete(path);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{path} cannot be removed: {e.Message}", e);
        }
    }

    private static string? Read(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllText(path) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{path} cannot be read: {e.Message}", e);
        }
    }

    private static string WithMark(string body) =>
        $"{Mark}{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body)))}\n{body}";

    private static string WithoutMark(string text) =>
        text.StartsWith(Mark, StringComparison.Ordinal) && text.IndexOf('\n', StringComparison.Ordinal) is > 0 and var end
            ? text[(end + 1)..] : text;
}
