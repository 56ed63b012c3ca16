using System.CommandLine;
using System.CommandLine.Help;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Kedge.Commands.Man;

/// <summary>
/// The manual page of one command: what its arguments and options are, from the command itself, and what a person has written about it,
/// from <see cref="ManText"/>.
/// </summary>
/// <param name="command">The command.</param>
/// <param name="version">The program's version.</param>
/// <param name="date">The day at the foot of the page; empty for none.</param>
internal sealed partial class ManPage(Command command, string version, string date)
{
    // In this order, as man-pages(7) has them; each is where there is something to say. What is written under other headings comes before
    // EXIT STATUS.
    private const string Description = "DESCRIPTION", ExitStatus = "EXIT STATUS", Environment = "ENVIRONMENT", Files = "FILES",
        Examples = "EXAMPLES", SeeAlso = "SEE ALSO";

    private static readonly string[] Ordinary = [Description, ExitStatus, Environment, Files, Examples, SeeAlso];

    private readonly RoffWriter _page = new();
    private readonly ManText _text = ManText.Read(NameOf(command));

    /// <summary>A page for each visible command, those below it included.</summary>
    public static IEnumerable<Command> Commands(Command root) =>
        root.Subcommands.Where(sub => !sub.Hidden).SelectMany(Commands).Prepend(root);

    /// <summary>The name of a command's page: its words with hyphens between them.</summary>
    public static string NameOf(Command command) => Words(command).Replace(' ', '-');

    /// <summary>Makes the page.</summary>
    public string Write()
    {
        string name = NameOf(command);
        _page.Title(name, date, $"Kedge {version}");
        _page.Section("NAME");
        _page.Text($"{name} - {Brief(command)}");
        _page.Section("SYNOPSIS");
        _page.Text(Synopsis());
        _page.Section(Description);
        if (!_text.TryWrite(Description, _page))
            _page.Text(Setting.Description(command));
        WriteCommands();
        WriteArguments();
        WriteOptions();
        foreach (string heading in _text.Headings.Except(Ordinary))
            WriteSection(heading);
        WriteExitStatus();
        WriteEnvironment();
        WriteSection(Files);
        WriteSection(Examples);
        WriteSeeAlso();
        return _page.ToString();
    }

    private static string Words(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault() is { } parent ? $"{Words(parent)} {command.Name}" : "kedge";

    /// <summary>The first sentence of the description, as the NAME section and lists have it.</summary>
    private static string Brief(Command command)
    {
        string sentence = FirstSentence().Match(Setting.Description(command)).Value.TrimEnd('.', ':');
        return char.IsUpper(sentence[0]) && !char.IsUpper(sentence[1]) && !sentence.StartsWith("Kedge", StringComparison.Ordinal)
            ? char.ToLowerInvariant(sentence[0]) + sentence[1..] : sentence;
    }

    private string Synopsis()
    {
        IEnumerable<string> words =
        [
            $"`{Words(command)}`",
            .. VisibleOptions().Where(option => option.Required).Select(option => $"`{option.Name}` {Value(option)}"),
            .. VisibleOptions().Any(option => !option.Required) ? ["[*OPTION*]..."] : Array.Empty<string>(),
            .. command.Arguments.Where(argument => !argument.Hidden).Select(Word),
            .. command.Subcommands.All(sub => sub.Hidden) ? Array.Empty<string>() : [command.Action is null ? "*COMMAND*" : "[*COMMAND*]"],
        ];
        return string.Join(' ', words);
    }

    private static string Word(Argument argument)
    {
        string word = $"*{argument.Name}*" + (argument.Arity.MaximumNumberOfValues > 1 ? "..." : "");
        return argument.Arity.MinimumNumberOfValues == 0 || argument.HasDefaultValue ? $"[{word}]" : word;
    }

    private IEnumerable<Option> VisibleOptions()
    {
        // --help is on every command, and told of on the main page alone.
        IEnumerable<Option> own = command.Options.Where(option => option is not HelpOption || command is RootCommand);
        IEnumerable<Option> fromAbove =
            from parent in Parents()
            where parent is not RootCommand
            from option in parent.Options
            where option.Recursive
            select option;
        return own.Concat(fromAbove).Where(option => !option.Hidden);
    }

    private IEnumerable<Command> Parents()
    {
        for (Command? parent = Parent(command); parent is not null; parent = Parent(parent))
            yield return parent;
    }

    private static Command? Parent(Command command) => command.Parents.OfType<Command>().FirstOrDefault();

    private static string Value(Option option) =>
        option.ValueType == typeof(bool) ? ""
        : option.HelpName is { } name ? string.Join(", ", name.Split(", ").Select(word => $"*{word}*"))
        : option.ValueType == typeof(bool?) ? "[*true*|*false*]"
        : $"*{option.Name.TrimStart('-').ToUpperInvariant()}*";

    private void WriteCommands()
    {
        Command[] subcommands = [.. command.Subcommands.Where(sub => !sub.Hidden)];
        if (subcommands.Length == 0)
            return;
        _page.Section("COMMANDS");
        foreach (Command sub in subcommands)
        {
            _page.Item($"`{NameOf(sub)}`(1)");
            _page.Text(Capital(Brief(sub)) + ".");
        }
    }

    private void WriteArguments()
    {
        Argument[] arguments = [.. command.Arguments.Where(argument => !argument.Hidden)];
        if (arguments.Length == 0)
            return;
        _page.Section("ARGUMENTS");
        foreach (Argument argument in arguments)
        {
            _page.Item(Word(argument));
            _page.Text(WithDefault(Setting.Description(argument), argument.HasDefaultValue ? argument.GetDefaultValue() : null));
        }
    }

    private void WriteOptions()
    {
        Option[] options = [.. VisibleOptions()];
        if (options.Length == 0)
            return;
        _page.Section("OPTIONS");
        foreach (Option option in options)
        {
            IEnumerable<string> names = option.Aliases.Prepend(option.Name).Where(name => name[0] == '-').Select(name => $"`{name}`");
            _page.Item($"{string.Join(", ", names)} {Value(option)}".TrimEnd());
            bool isFlag = option.ValueType == typeof(bool) || option is HelpOption or VersionOption;
            _page.Text(WithDefault(Setting.Description(option), !isFlag && option.HasDefaultValue ? option.GetDefaultValue() : null));
        }
    }

    private static string WithDefault(string description, object? value)
    {
        string text = value switch
        {
            null => "",
            System.Collections.IEnumerable and not string => string.Join(", ", ((System.Collections.IEnumerable)value).Cast<object>()),
            // A folder of the home folder, whose own the generator leaves out.
            string path when path.StartsWith("/.config/", StringComparison.Ordinal) => "~" + path,
            _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        };
        return text.Length == 0 ? description : $"{description} Default: `{text}`.";
    }

    private void WriteSection(string heading)
    {
        if (!_text.Headings.Contains(heading))
            return;
        _page.Section(heading);
        _text.TryWrite(heading, _page);
    }

    private void WriteExitStatus()
    {
        _page.Section(ExitStatus);
        if (_text.TryWrite(ExitStatus, _page))
            return;
        foreach ((string code, string meaning) in ((string, string)[])
            [("0", "Done."), ("1", "Failed; standard error says why."), ("2", "Called wrongly; standard error says how it is called.")])
        {
            _page.Item(code);
            _page.Text(meaning);
        }
    }

    private void WriteEnvironment()
    {
        (string Variable, string Symbol)[] variables =
        [
            .. from symbol in VisibleOptions().Cast<Symbol>().Concat(command.Arguments).Append(command)
               where Setting.Variable(symbol) is not null
               select (Setting.Variable(symbol)!, symbol.Name),
        ];
        if (variables.Length == 0 && !_text.Headings.Contains(Environment))
            return;
        _page.Section(Environment);
        foreach ((string variable, string symbol) in variables)
        {
            _page.Item($"`{variable}`");
            _page.Text(symbol.StartsWith('-') ? $"Stands in for `{symbol}`." : $"Stands in for *{symbol}*.");
        }
        _text.TryWrite(Environment, _page);
    }

    private void WriteSeeAlso()
    {
        string[] pages =
        [
            .. Parent(command) is { } parent ? [NameOf(parent)] : Array.Empty<string>(),
            .. command.Subcommands.Where(sub => !sub.Hidden).Select(NameOf),
        ];
        string text = string.Join(", ", pages.Select(page => $"`{page}`(1)"));
        if (text.Length == 0 && !_text.Headings.Contains(SeeAlso))
            return;
        _page.Section(SeeAlso);
        if (text.Length > 0)
            _page.Text(text + (_text.Headings.Contains(SeeAlso) ? "," : ""));
        _text.TryWrite(SeeAlso, _page);
    }

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    [GeneratedRegex(@"^.*?(?:[.:](?= )|\.$|$)", RegexOptions.Singleline)]
    private static partial Regex FirstSentence();
}
