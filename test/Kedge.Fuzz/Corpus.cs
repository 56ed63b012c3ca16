using System.Security.Cryptography;

namespace Kedge.Fuzz;

/// <summary>
/// The inputs that are kept in the repository, a folder a target: a few that were written by hand, whose names say what they are, and
/// everything that ever made a target fail, named by its hash.
/// </summary>
public static class Corpus
{
    /// <summary>The folder of a target's inputs, in the source tree that this program was built in.</summary>
    /// <exception cref="DirectoryNotFoundException">The program is not inside its source tree.</exception>
    public static string FolderOf(Target target)
    {
        for (DirectoryInfo? directory = new(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "Kedge.slnx")))
                return Path.Combine(directory.FullName, "test", "Kedge.Fuzz", "Corpus", target.Name);
        }
        throw new DirectoryNotFoundException($"{AppContext.BaseDirectory} is not inside the source tree of Kedge, where the corpus is.");
    }

    /// <summary>The files of a target, in an order that is always the same.</summary>
    public static IReadOnlyList<string> FilesOf(Target target)
    {
        string folder = FolderOf(target);
        return Directory.Exists(folder) ? [.. Directory.GetFiles(folder).Order(StringComparer.Ordinal)] : [];
    }

    /// <summary>The inputs of a target.</summary>
    public static IEnumerable<byte[]> Load(Target target) => FilesOf(target).Select(File.ReadAllBytes);

    /// <summary>Keeps an input.</summary>
    /// <returns>The file.</returns>
    public static string Save(Target target, byte[] input)
    {
        string folder = FolderOf(target);
        Directory.CreateDirectory(folder);
        string file = Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(input))[..16]);
        File.WriteAllBytes(file, input);
        return file;
    }
}
