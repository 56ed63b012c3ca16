using Kedge.Commands.Admin;
using Kedge.Protocol;

namespace Kedge.Tests.Commands.Admin;

/// <summary>What a person reads, what a person writes, and what must not get from one to the other.</summary>
public class TextTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Columns_are_aligned_and_lines_end_with_their_last_word() => Assert.Equal(
        "NAME   NODES  WHAT\nlab    12     The lab\nattic  0\n",
        TextTable.Format(["NAME", "NODES", "WHAT"], [["lab", "12", "The lab"], ["attic", "0", ""]], "none"));

    [Fact]
    public void An_empty_table_is_a_sentence() => Assert.Equal("There is nothing.\n", TextTable.Format(["NAME"], [], "There is nothing."));

    [Theory]
    [InlineData("a\nb")]
    [InlineData("a\e[2Jb")]
    [InlineData("a\u009bb")]
    [InlineData("a\0b")]
    public void Control_characters_do_not_reach_the_terminal(string text)
    {
        string table = TextTable.Format(["NAME"], [[text]], "");
        Assert.DoesNotContain(table.Replace("\n", "", StringComparison.Ordinal), char.IsControl);
        Assert.Equal(2, table.Count(c => c == '\n'));
    }

    [Theory]
    [InlineData(-0, "0 s ago")]
    [InlineData(-119, "119 s ago")]
    [InlineData(-120, "2 min ago")]
    [InlineData(-7200, "2 h ago")]
    [InlineData(-172_800, "2 days ago")]
    [InlineData(3599.9, "in 60 min")]
    [InlineData(604_799, "in 7 days")]
    public void Times_are_told_from_now(double seconds, string expected) => Assert.Equal(expected, Words.When(Now.AddSeconds(seconds), Now));

    [Theory]
    [InlineData("60s", 60)]
    [InlineData("1m", 60)]
    [InlineData("12h", 43_200)]
    [InlineData("365d", 31_536_000)]
    public void A_lifetime_has_a_number_and_a_unit(string text, int expected)
    {
        Assert.True(Lifetime.TryParse(text, out int seconds));
        Assert.Equal(expected, seconds);
    }

    [Theory]
    [InlineData("")]
    [InlineData("h")]
    [InlineData("60")]
    [InlineData("59s")]
    [InlineData("0m")]
    [InlineData("-1h")]
    [InlineData("+1h")]
    [InlineData(" 1h")]
    [InlineData("1.5h")]
    [InlineData("1H")]
    [InlineData("366d")]
    [InlineData("31536001s")]
    [InlineData("9223372036854775807d")]
    [InlineData("99999999999999999999s")]
    public void Anything_else_is_no_lifetime(string text) => Assert.False(Lifetime.TryParse(text, out _));

    [Theory]
    [InlineData("a", true)]
    [InlineData("web-7", true)]
    [InlineData("7", true)]
    [InlineData("", false)]
    [InlineData("Web", false)]
    [InlineData("-a", false)]
    [InlineData("a-", false)]
    [InlineData("a.b", false)]
    [InlineData("$(id)", false)]
    [InlineData("ä", false)]
    public void A_name_is_a_DNS_label(string text, bool valid) => Assert.Equal(valid, Inputs.IsLabel(text));

    [Fact]
    public void A_name_has_at_most_63_characters()
    {
        Assert.True(Inputs.IsLabel(new string('a', 63)));
        Assert.False(Inputs.IsLabel(new string('a', 64)));
    }

    [Fact]
    public void A_peers_file_with_addresses_and_keys_passes()
    {
        const string File =
            """
            # printer
            [Interface]
            PrivateKey = <put the private key of epIMbsqZe+uZsKMoB0mtFYKI5SybzJUfi5wYZjQdLhs= here>
            Address = 10.7.0.1/32, fd07::1/128
            ListenPort = 51820

            [Peer]
            PublicKey = epIMbsqZe+uZsKMoB0mtFYKI5SybzJUfi5wYZjQdLhs=
            AllowedIPs = 10.7.0.2/32
            Endpoint = [2001:db8::7]:51820
            PersistentKeepalive = 25

            """;
        Assert.Equal(File, WgQuickFile.Check(File));
    }

    [Theory]
    [InlineData("PostUp = rm -rf /")]
    [InlineData(" PreDown=id")]
    [InlineData("SaveConfig = true")]
    [InlineData("Table = 5")]
    [InlineData("DNS = 192.0.2.1")]
    [InlineData("PrivateKey = AAAA")]
    [InlineData("PrivateKey = epIMbsqZe+uZsKMoB0mtFYKI5SybzJUfi5wYZjQdLhs=")]
    [InlineData("PrivateKey = <put the private key of nobody here>")]
    [InlineData("PrivateKey = <put the private key of  here>")]
    [InlineData("PrivateKey = <put the private key of here>")]
    [InlineData("Address = 10.7.0.1/32\rPostUp = id")]
    [InlineData("Address = 10.7.0.1/32\u2028PostUp = id")]
    [InlineData("# \e[2J")]
    [InlineData("anything")]
    public void A_peers_file_with_anything_else_is_refused(string line) =>
        Assert.Contains("do not use such a file", Assert.Throws<UserError>(() => WgQuickFile.Check($"[Interface]\n{line}\n")).Message, StringComparison.Ordinal);
}
