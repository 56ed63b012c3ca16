using System.IO.Compression;

namespace Kedge.Tests.Crypto.Kem;

/// <summary>
/// Entries of files in the layout of NIST's known-answer tests: names and values in hexadecimal, entries divided by empty lines.
/// </summary>
internal static class KemVector
{
    /// <summary>The entries of a file.</summary>
    public static IReadOnlyList<Dictionary<string, string>> Read(string file)
    {
        using Stream resource = typeof(KemVector).Assembly.GetManifestResourceStream(file)
            ?? throw new FileNotFoundException($"{file} is not among this assembly's resources.");
        using var text = new StreamReader(new GZipStream(resource, CompressionMode.Decompress));
        return [.. text.ReadToEnd().Split("\n\n").Select(entry => entry.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(" = "))
            .ToDictionary(pair => pair[0], pair => pair[1]))];
    }

    /// <summary>A value as bytes.</summary>
    public static byte[] Bytes(this Dictionary<string, string> entry, string name) => Convert.FromHexString(entry[name]);
}
