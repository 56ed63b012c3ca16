using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Kedge.SystemTests.Walls;

/// <summary>
/// The walls once more, in what was built: the analyzer looks at what code does, and passes over a banned type that is only declared, as a
/// field's or a parameter's type; the compiled assembly lists every type it mentions.
/// </summary>
public class MetadataTests
{
    [Fact]
    public void Kedge_Protocol_mentions_no_banned_type()
    {
        string[] mentioned = Read("Kedge.Protocol", reader => reader.TypeReferences
            .Select(handle => reader.GetTypeReference(handle))
            .Select(type => $"{reader.GetString(type.Namespace)}.{reader.GetString(type.Name)}").ToArray());

        Assert.NotEmpty(mentioned);
        Assert.DoesNotContain(mentioned, type => BannedSymbols.Read("Protocol").Any(entry => Bans(entry.Symbol, type)));

        static bool Bans(string symbol, string type) => symbol[..2] switch
        {
            "T:" => type == symbol[2..],
            "N:" => type.StartsWith(symbol[2..] + ".", StringComparison.Ordinal),
            _ => false,
        };
    }

    [Theory]
    [InlineData("Kedge.Protocol")]
    [InlineData("Kedge.Threading")]
    [InlineData("Kedge.Relaying")]
    [InlineData("Kedge.Node")]
    [InlineData("Kedge.Control")]
    [InlineData("kedge")]
    public void Nothing_native_is_imported_outside_its_place(string assembly)
    {
        string[] native = Read(assembly, reader => reader.MethodDefinitions
            .Select(handle => reader.GetMethodDefinition(handle))
            .Where(method => !method.GetImport().Module.IsNil)
            .Select(method => reader.GetString(method.Name)).ToArray());

        Assert.Empty(native);
    }

    private static T Read<T>(string assembly, Func<MetadataReader, T> read)
    {
        using var file = new PEReader(File.OpenRead(Path.Combine(AppContext.BaseDirectory, assembly + ".dll")));
        return read(file.GetMetadataReader());
    }
}
