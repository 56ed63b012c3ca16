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
        Command command = call.CommandResult.Command;
        string name = Name(command);
        if (UnknownCommand(call) is { } unknown)
            to.WriteLine($"kedge: {unknown}");
        else
        {
            foreach (string error in call.Errors.Select(error => error.Message).Distinct())
                to.WriteLine($"kedge: {error}");
        }
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

    /// <summary>What is wrong with a call whose word is not a command where there must be one; null where that is not the fault.</summary>
    private static string? UnknownCommand(ParseResult call)
    {
        Command command = call.CommandResult.Command;
        string[] known = [.. command.Subcommands.Where(sub => !sub.Hidden).Select(sub => sub.Name)];
        if (known.Length == 0 || command.Arguments.Count > 0 || call.UnmatchedTokens is not [var word, ..] || word.StartsWith('-'))
            return null;
        string[] near = [.. known.Where(name => IsNear(word, name))];
        string hint = near.Length > 0 ? $" Did you mean {string.Join(" or ", near.Select(name => $"'{name}'"))}?" : "";
        return $"'{PrintableText.Clean(word)}' is not a command of '{Name(command)}'.{hint}";
    }

    private static bool IsNear(string word, string name) =>
        (word.Length > 1 && name.StartsWith(word, StringComparison.OrdinalIgnoreCase))
        || Distance(word, name) <= Math.Max(1, name.Length / 3);

    /// <summary>How many letters have to be inserted, left out, replaced or exchanged with the next (Damerau, Levenshtein).</summary>
    private static int Distance(string a, string b)
    {
        int[,] d = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
        {
            for (int j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    d[i, j] = i + j;
                    continue;
                }
                d[i, j] = Math.Min(Math.Min(d[i - 1, j], d[i, j - 1]) + 1, d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        }
        return d[a.Length, b.Length];
    }

    private static string Name(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault() is { } parent ? $"{Name(parent)} {command.Name}" : "kedge";
}
