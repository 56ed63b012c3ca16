using Kedge.Commands;

namespace Kedge.Tests.Commands;

public class UsageTests
{
    [Theory]
    [InlineData("frobnicate", "kedge: 'frobnicate' is not a command of 'kedge'.")]
    [InlineData("stauts", "kedge: 'stauts' is not a command of 'kedge'. Did you mean 'status'?")]
    [InlineData("netchek", "kedge: 'netchek' is not a command of 'kedge'. Did you mean 'netcheck'?")]
    [InlineData("zone creat", "kedge: 'creat' is not a command of 'kedge zone'. Did you mean 'create'?")]
    [InlineData("zone frobnicate --json", "kedge: 'frobnicate' is not a command of 'kedge zone'.")]
    [InlineData("\u001B[31mred", "kedge: '\uFFFD[31mred' is not a command of 'kedge'.")]
    public void A_word_that_is_not_a_command_is_named_first(string line, string first)
    {
        string[] said = Explain(line);

        Assert.Equal(first, said[0]);
        Assert.StartsWith("usage: kedge", said[1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "kedge: Required command was not provided.")]
    [InlineData("zone", "kedge: Required command was not provided.")]
    public void Where_no_word_is_given_a_command_is_asked_for(string line, string first) => Assert.Equal(first, Explain(line)[0]);

    private static string[] Explain(string line)
    {
        using var text = new StringWriter();
        Usage.Explain(CommandTree.Create().Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)), text);
        return text.ToString().Split('\n');
    }
}
