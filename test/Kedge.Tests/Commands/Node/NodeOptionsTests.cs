using System.CommandLine;
using Kedge.Commands.Node;
using Kedge.Node.ControlLink;

namespace Kedge.Tests.Commands.Node;

public class NodeOptionsTests
{
    private readonly Command _command = new("up");
    private readonly NodeOptions _options = new();

    public NodeOptionsTests() => _options.AddTo(_command);

    [Theory]
    [InlineData(new[] { "--fwmark", "0x20" }, 0x20u)]
    [InlineData(new[] { "--fwmark", "0x20/0x20" }, 0x20u)]
    [InlineData(new[] { "--fwmark", "" }, null)]
    [InlineData(new string[0], 0x40u)]
    public void A_mark_holds_until_another_one_is_given(string[] arguments, uint? expected)
    {
        ParseResult call = _command.Parse(arguments);

        Assert.Empty(call.Errors);
        Assert.Equal(expected, _options.Apply(call, new NodeSettings { Fwmark = 0x40 }).Fwmark);
    }

    [Theory]
    [InlineData("0x3")]
    [InlineData("0x1000/0xffff")]
    [InlineData("bit")]
    public void A_mark_of_more_or_less_than_one_bit_is_refused_in_a_sentence(string text) => Assert.Equal(
        $"--fwmark is '{text}', but must be one bit of a mark, such as 0x1000.",
        Assert.Single(_command.Parse(["--fwmark", text]).Errors).Message);
}
