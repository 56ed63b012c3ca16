using System.Text;
using Kedge.Protocol;

namespace Kedge.Tests;

public class PrintableTextTests
{
    [Theory]
    [InlineData("plain text, also ä and 我", "plain text, also ä and 我")]
    [InlineData("\u001B[2J", "\uFFFD[2J")]
    [InlineData("one\ntwo", "one\uFFFDtwo")]
    [InlineData("\u202Egnp.exe", "\uFFFDgnp.exe")] // right to left
    [InlineData("a\u2028b", "a\uFFFDb")] // another line
    [InlineData("\uE000", "\uFFFD")] // private use
    public void What_cannot_be_shown_is_replaced(string text, string shown) => Assert.Equal(shown, PrintableText.Clean(text));

    [Fact]
    public void Half_a_surrogate_pair_is_replaced() =>
        Assert.Equal("a\uFFFD", PrintableText.Clean("a" + (char)0xD800)); // which no attribute can hold

    [Fact]
    public void A_blank_is_printable_and_the_replacement_character_is_not()
    {
        Assert.True(PrintableText.IsPrintable(new Rune(' ')));
        Assert.False(PrintableText.IsPrintable(Rune.ReplacementChar));
    }
}
