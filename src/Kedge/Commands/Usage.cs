using System.CommandLine;
using System.CommandLine.Parsing;
using Kedge.Protocol;

namespace Kedge.Commands;

/// <summary>What a person is told whose call cannot be understood.</summary>
internal static class Usage
{
    /// <summary>Writes what is wrong with the call, how the command is called, and where to read more.</summary>
    public static void Explain(ParseResult call, TextWriter to)
    {
        foreach (string error in call.Errors.Select(error => error.Message).Distinct())
            to.WriteLine($"kedge: {error}");
        Command command = call.CommandResult.Command;
        string name = Name(command);
        string[] words =
        [
            name,
            .. command.Subcommands.Any(sub => !sub.Hidden) ? ["COMMAND"] : Array.Empty<string>(),
            .. command.Arguments.Select(argument => argument.Name),
            "[OPTIONS]",
        ];
        to.WriteLine($"usage: {string.Join(' ', words)}");
        to.WriteLine($"'{name} --help' tells more.");
    }

    /// <summary>Validates an argument that is many words, by reading it: what the reader throws is wrong with the call.</summary>
    public static void Check(ArgumentResult result, Func<IEnumerable<string>, object> read)
    {
        try
        {
            _ = read(result.Tokens.Select(token => token.Value));
        }
        catch (UserError e)
        {
            result.AddError(e.Message);
        }
    }

    private static string Name(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault() is { } parent ? $"{Name(parent)} {command.Name}" : "kedge";
}
