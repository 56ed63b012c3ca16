using System.CommandLine;
using Kedge.Protocol;
using Kedge.Protocol.Enrolment;

namespace Kedge.Commands.Node;

/// <summary>Where a join line comes from: a file, standard input or the environment. Never an argument, because it holds a
/// secret.</summary>
internal sealed class JoinSource
{
    private const string Variable = "KEDGE_JOIN";

    private readonly Option<string?> _file = new("--join-file")
    {
        Description =
            "The file with the join line, or - for standard input; lines that begin with # are comments, and an empty file counts as none. "
            + $"[env: {Variable}=LINE]",
        HelpName = "FILE",
    };

    /// <summary>Adds the option to a command.</summary>
    public void AddTo(Command command) => command.Options.Add(_file);

    /// <summary>The line, and takes it out of the environment, which other processes inherit; null where there is none.</summary>
    /// <exception cref="UserError">The file cannot be read, or what is in it is no join line.</exception>
    public JoinLine? Read(ParseResult call)
    {
        string? variable = Environment.GetEnvironmentVariable(Variable);
        Environment.SetEnvironmentVariable(Variable, null);
        string? text = call.GetValue(_file) switch
        {
            null => variable,
            "-" => Console.In.ReadToEnd(),
            var path => FileText.Read(path),
        };
        text = text is null ? null : WithoutComments(text);
        return string.IsNullOrWhiteSpace(text) ? null : JoinLine.Parse(text);
    }

    private static string WithoutComments(string text) =>
        string.Join('\n', text.Split('\n').Where(line => !line.StartsWith('#')));
}
