using System.CommandLine;

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

    private static string Name(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault() is { } parent ? $"{Name(parent)} {command.Name}" : "kedge";
}
