using System.CommandLine;
using System.Text;
using Kedge.Commands;
using Kedge.Commands.Man;

namespace Kedge.Tests.Commands.Man;

/// <summary>What the manual pages say, against the commands themselves.</summary>
public class ManPageTests
{
    private const string PublicKey = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="; // of wg(8)

    private static readonly string[] Pages = [.. ManPage.Commands(CommandTree.Create()).Select(ManPage.NameOf)];

    public static TheoryData<string> Written() => [.. ManText.Names];

    [Fact]
    public void Every_visible_command_has_a_page_and_every_written_page_a_command()
    {
        Assert.Contains("kedge", Pages);
        Assert.Contains("kedge-node-create", Pages);
        Assert.Contains("kedge-service-install-node", Pages);
        Assert.DoesNotContain("kedge-man", Pages);
        Assert.DoesNotContain("kedge-controller-describe-interface", Pages);
        Assert.Distinct(Pages);
        Assert.NotEmpty(ManText.Names);
        Assert.Subset(Pages.ToHashSet(), ManText.Names.ToHashSet());
    }

    [Theory]
    [MemberData(nameof(Written))]
    public void Every_example_of_a_page_is_a_call_that_the_program_understands(string page)
    {
        string[][] calls = [.. ManText.Read(page).ExampleLines().Select(Words).Where(words => words.Length > 0)];

        Assert.All(calls, AssertUnderstood);
    }

    [Fact]
    public void There_are_examples_and_they_are_found()
    {
        int count = ManText.Names.Sum(page => ManText.Read(page).ExampleLines().Count(line => Words(line).Length > 0));

        Assert.True(count > 60, $"{count}");
    }

    [Fact]
    public void Every_call_in_the_readme_is_one_that_the_program_understands()
    {
        string[][] calls =
        [
            .. from line in File.ReadLines(PathOf("README.md"))
               let words = Words(line.Replace("$(wg pubkey < phone.key)", PublicKey, StringComparison.Ordinal))
               where words.Length > 0
               select words,
        ];

        Assert.NotEmpty(calls);
        Assert.All(calls, AssertUnderstood);
    }

    [Theory]
    [InlineData("kedge up --no-such-option")]
    [InlineData("kedge zone create")]
    [InlineData("kedge nod list")]
    public void A_call_that_is_none_is_noticed(string line) =>
        Assert.NotEmpty(CommandTree.Create().Parse(Words(line)).Errors);

    [Fact]
    public void Pages_that_are_referred_to_exist()
    {
        foreach (Command command in ManPage.Commands(CommandTree.Create()))
        {
            string page = new ManPage(command, "1.2.3", "2026-01-02").Write();
            IEnumerable<string> named =
                from part in page.Split("\\fB").Skip(1)
                let name = part.Split("\\fR")[0].Replace("\\-", "-", StringComparison.Ordinal)
                where name.StartsWith("kedge-", StringComparison.Ordinal) && part.Contains("\\fR(1)", StringComparison.Ordinal)
                select name;
            Assert.All(named, name => Assert.Contains(name, Pages));
        }
    }

    [Fact]
    public void A_page_has_the_sections_of_a_manual_in_their_order()
    {
        Command up = CommandTree.Create().Subcommands.Single(command => command.Name == "up");

        string page = new ManPage(up, "1.2.3", "2026-01-02").Write();

        string[] lines = page.Split('\n');
        Assert.Equal(".TH \"KEDGE\\-UP\" \"1\" \"2026-01-02\" \"Kedge 1.2.3\" \"Kedge manual\"", lines[0]);
        Assert.Equal(
            [
                ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS", ".SH \"EXIT STATUS\"", ".SH ENVIRONMENT",
                ".SH FILES", ".SH EXAMPLES", ".SH \"SEE ALSO\"",
            ],
            lines.Where(line => line.StartsWith(".SH", StringComparison.Ordinal)));
        Assert.Contains("\\fB\\-\\-detach\\fR, \\fB\\-d\\fR", lines);
        Assert.Contains("\\fBKEDGE_NAME\\fR", lines);
        Assert.DoesNotContain("[env:", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("`kedge up` and *NAME*", "\\fBkedge up\\fR and \\fINAME\\fR")]
    [InlineData("the machine's 'ip netns' and a node's", "the machine\\(aqs \\fBip netns\\fR and a node\\(aqs")]
    [InlineData(".SH is no request", "\\&.SH is no request")]
    [InlineData("'begins with a quote", "\\(aqbegins with a quote")]
    [InlineData("back\\slash …", "back\\eslash \\[u2026]")]
    [InlineData("First. Second one.", "First.\nSecond one.")]
    public void Text_is_written_so_that_roff_takes_it_for_text(string text, string expected)
    {
        var page = new RoffWriter();

        page.Text(text);

        Assert.Equal(expected + "\n", page.ToString()); // groff_char(7), groff(7) "Control lines"
    }

    private static void AssertUnderstood(string[] words)
    {
        ParseResult call = CommandTree.Create().Parse(words);
        // Where there is no terminal to be asked on.
        if (call.CommandResult.Command.Options.Any(option => option.Name == "--yes"))
            call = CommandTree.Create().Parse([.. words, "--yes"]);
        string line = $"kedge {string.Join(' ', words)}";
        Assert.True(call.Errors.Count == 0, $"{line}: {string.Join("; ", call.Errors.Select(error => error.Message))}");
        Assert.True(call.CommandResult.Command.Action is not null, $"{line} is no command.");
    }

    /// <summary>The words behind <c>kedge</c> in a line, as a shell hands them over; none where the line is another program's.</summary>
    private static string[] Words(string line)
    {
        List<string> words = [];
        StringBuilder? word = null;
        char quote = '\0';
        foreach (char c in line + " ")
        {
            if (quote != '\0' && c == quote)
                quote = '\0';
            else if (quote != '\0')
                word!.Append(c);
            else if (c is '\'' or '"')
                (quote, word) = (c, word ?? new StringBuilder());
            else if (c is '#' or '|' or '&' or '<' or '>' && word is null)
                break;
            else if (c != ' ')
                (word ??= new StringBuilder()).Append(c);
            else if (word is not null)
            {
                words.Add(word.ToString());
                word = null;
            }
        }
        if (words.Count > 2 && words[0] is "timeout")
            words.RemoveRange(0, 2);
        return words is ["kedge" or "out/kedge", ..] ? [.. words[1..]] : [];
    }

    private static string PathOf(string file)
    {
        string? folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder!, "Kedge.slnx")))
            folder = Path.GetDirectoryName(folder);
        return Path.Combine(folder!, file);
    }
}
