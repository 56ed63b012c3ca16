using Kedge.Protocol.Toml;

namespace Kedge.Tests.Rosenpass;

/// <summary>The examples of the TOML 1.0 specification, as far as values of these kinds go.</summary>
public class TomlReaderTests
{
    [Theory]
    [InlineData("s = \"\"\"\nRoses are red\nViolets are blue\"\"\"", "Roses are red\nViolets are blue")]
    [InlineData("s = \"\"\"\r\nRoses are red\r\nViolets are blue\"\"\"", "Roses are red\r\nViolets are blue")]
    [InlineData("s = \"\"\"\nThe quick brown \\\n\n\n  fox jumps over \\\n    the lazy dog.\"\"\"", "The quick brown fox jumps over the lazy dog.")]
    [InlineData("s = \"\"\"\\\n  The quick brown \\\n  fox.\\\n  \"\"\"", "The quick brown fox.")]
    [InlineData("s = \"\"\"Here are two quotation marks: \"\". Simple enough.\"\"\"", "Here are two quotation marks: \"\". Simple enough.")]
    [InlineData("s = \"\"\"Here are three: \"\"\\\".\"\"\"", "Here are three: \"\"\".")]
    [InlineData("s = \"\"\"\"This,\" she said, \"is just a pointless statement.\"\"\"\"", "\"This,\" she said, \"is just a pointless statement.\"")]
    [InlineData("s = \'\'\'I [dw]on\'t need \\d{2} apples\'\'\'", "I [dw]on\'t need \\d{2} apples")]
    [InlineData("s = \'\'\'\nThe first newline is\ntrimmed\'\'\'", "The first newline is\ntrimmed")]
    [InlineData("s = \"\"\"\"\"\"", "")]
    [InlineData("s = \"\"", "")]
    public void A_string_is_read(string text, string expected) => Assert.Equal(expected, Read(text).Entries["s"].Value);

    [Fact]
    public void What_follows_a_string_of_several_lines_is_in_its_own_line() =>
        Assert.Equal(4, Read("s = \"\"\"\na \\\n b\"\"\"\nt = 1").Entries["t"].Line);

    [Fact]
    public void Dotted_keys_make_tables()
    {
        TomlTable document = Read("""
            name = "Orange"
            physical.color = "orange"
            physical . shape = "round"
            site."google.com" = true
            """);

        Assert.Equal(["name", "physical", "site"], document.Entries.Keys);
        Assert.Equal(["color", "shape"], Table(document, "physical").Entries.Keys);
        Assert.Equal(true, Table(document, "site").Entries["google.com"].Value);
    }

    [Fact]
    public void A_header_may_have_dots_and_may_come_before_that_of_the_table_around_it()
    {
        TomlTable document = Read("""
            [x.y.z.w]
            a = 1
            [x]
            b = 2
            [[fruits]]
            name = "apple"
            [fruits.physical]
            color = "red"
            [[fruits.varieties]]
            name = "red delicious"
            [[fruits.varieties]]
            name = "granny smith"
            [[fruits]]
            name = "banana"
            [[fruits.varieties]]
            name = "plantain"
            """);

        TomlTable x = Table(document, "x");
        Assert.Equal(["y", "b"], x.Entries.Keys);
        Assert.Equal(1L, Table(Table(Table(x, "y"), "z"), "w").Entries["a"].Value);
        List<TomlValue> fruits = List(document, "fruits");
        Assert.Equal(["apple", "banana"], fruits.Select(fruit => ((TomlTable)fruit.Value).Entries["name"].Value));
        Assert.Equal("red", Table((TomlTable)fruits[0].Value, "physical").Entries["color"].Value);
        Assert.Equal(2, List((TomlTable)fruits[0].Value, "varieties").Count);
        Assert.Single(List((TomlTable)fruits[1].Value, "varieties"));
    }

    [Theory]
    [InlineData("[fruit]\napple.color = 1\n[fruit.apple]")]
    [InlineData("[a.b.c]\nz = 9\n[a]\nb.c.t = 1")]
    [InlineData("[x.y]\n[x]\n[x]")]
    [InlineData("[fruit]\n[[fruit]]")]
    [InlineData("fruit = []\n[[fruit]]")]
    public void A_table_is_defined_once(string text)
    {
        List<TomlError> errors = [];

        TomlReader.Read(text, errors);

        Assert.Single(errors);
    }

    private static TomlTable Read(string text)
    {
        List<TomlError> errors = [];
        TomlTable document = TomlReader.Read(text, errors);
        Assert.Empty(errors);
        return document;
    }

    private static TomlTable Table(TomlTable table, string key) => (TomlTable)table.Entries[key].Value;

    private static List<TomlValue> List(TomlTable table, string key) => (List<TomlValue>)table.Entries[key].Value;
}
