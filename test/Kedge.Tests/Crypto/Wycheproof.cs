using System.IO.Compression;
using System.Text.Json;

namespace Kedge.Tests.Crypto;

/// <summary>
/// The published vectors of the project Wycheproof (https://github.com/C2SP/wycheproof), which are not part of this repository: the
/// environment variable KEDGE_WYCHEPROOF names, by an absolute path, the folder that holds its JSON files, each gzipped. Without the
/// variable there are none; a folder that is named and absent fails the tests.
/// </summary>
internal static class Wycheproof
{
    private const string Variable = "KEDGE_WYCHEPROOF";

    /// <summary>Every test of a file.</summary>
    public static IEnumerable<JsonElement> Read(string name)
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } folder)
            yield break;
        using FileStream file = File.OpenRead(Path.Combine(folder, name + ".json.gz"));
        using var text = new GZipStream(file, CompressionMode.Decompress);
        using var document = JsonDocument.Parse(text);
        int read = 0;
        foreach (JsonElement group in document.RootElement.GetProperty("testGroups").EnumerateArray())
        {
            foreach (JsonElement test in group.GetProperty("tests").EnumerateArray())
            {
                read++;
                yield return test.Clone();
            }
        }
        Assert.Equal(document.RootElement.GetProperty("numberOfTests").GetInt32(), read);
    }

    /// <summary>A property that holds bytes in hexadecimal.</summary>
    public static byte[] Bytes(this JsonElement test, string property) => Convert.FromHexString(Text(test, property));

    /// <summary>A property that holds text.</summary>
    public static string Text(this JsonElement test, string property) => test.GetProperty(property).GetString()!;

    /// <summary>What to call a test in messages.</summary>
    public static string Name(this JsonElement test, string file) =>
        $"{file} {test.GetProperty("tcId").GetInt32()} {test.Text("comment")}";
}
