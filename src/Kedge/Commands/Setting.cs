using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Kedge.Commands;

/// <summary>
/// Makes options that have an environment variable each. The option counts before the variable, the variable before the default; a value is
/// checked wherever it comes from.
/// </summary>
internal static partial class Setting
{
    /// <summary>The environment variable that an option or argument names in its description; null where it names none.</summary>
    public static string? Variable(Symbol symbol) =>
        Variables().Match(symbol.Description ?? "") is { Success: true } match ? match.Groups["name"].Value : null;

    /// <summary>The description of an option, argument or command without its environment variable.</summary>
    public static string Description(Symbol symbol) => Variables().Replace(symbol.Description ?? "", "").Trim();

    /// <summary>
    /// What a call gives for options, as settings of their environment variables: what comes from defaults or the environment is not among
    /// them.
    /// </summary>
    public static IEnumerable<(string Variable, string Value)> Given(ParseResult call, IEnumerable<Option> options) =>
        from option in options
        where call.GetResult(option) is { Implicit: false } && Variable(option) is not null
        let values = call.GetResult(option)!.Tokens.Select(token => token.Value).ToArray()
        select (Variable(option)!, values.Length == 0 ? "true" : string.Join(',', values));

    /// <summary>An option with a text, such as a path.</summary>
    public static Option<string> Text(string name, string valueName, string variable, string defaultValue, string description) => new(name)
    {
        Description = Describe(description, variable),
        HelpName = valueName,
        DefaultValueFactory = _ => FromEnvironment(variable) ?? defaultValue,
    };

    /// <summary>An option with a number within bounds.</summary>
    public static Option<int> Number(string name, string variable, int minimum, int maximum, int defaultValue, string description) =>
        new(name)
        {
            Description = Describe(description, variable),
            HelpName = "N",
            CustomParser = result => ReadNumber(result, result.Tokens[0].Value, name, minimum, maximum),
            DefaultValueFactory = result =>
                FromEnvironment(variable) is { } value ? ReadNumber(result, value, variable, minimum, maximum) : defaultValue,
        };

    /// <summary>An option with a number within bounds, null where none is given.</summary>
    public static Option<int?> Number(string name, string variable, int minimum, int maximum, string description) => new(name)
    {
        Description = Describe(description, variable),
        HelpName = "N",
        CustomParser = result => ReadNumber(result, result.Tokens[0].Value, name, minimum, maximum),
        DefaultValueFactory = result =>
            FromEnvironment(variable) is { } value ? ReadNumber(result, value, variable, minimum, maximum) : null,
    };

    /// <summary>An argument that is a number within bounds.</summary>
    public static Argument<int> Number(string name, int minimum, int maximum, string description) => new(name)
    {
        Description = description,
        CustomParser = result => ReadNumber(result, result.Tokens[0].Value, name, minimum, maximum),
    };

    /// <summary>An option with one of a few words.</summary>
    public static Option<string> Choice(string name, string variable, string[] choices, string defaultValue, string description)
    {
        var option = new Option<string>(name)
        {
            Description = Describe(description, variable),
            HelpName = string.Join('|', choices),
            CustomParser = result => ReadChoice(result, result.Tokens[0].Value, name, choices),
            DefaultValueFactory = result =>
                FromEnvironment(variable) is { } value ? ReadChoice(result, value, variable, choices) : defaultValue,
        };
        option.CompletionSources.Add(choices);
        return option;
    }

    private static string? FromEnvironment(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;

    private static string Describe(string description, string variable) => $"{description} [env: {variable}]";

    private static int ReadNumber(ArgumentResult result, string text, string source, int minimum, int maximum)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= minimum && number <= maximum)
            return number;
        result.AddError($"{source} is '{text}', but must be a number from {minimum} to {maximum}.");
        return 0;
    }

    private static string ReadChoice(ArgumentResult result, string text, string source, string[] choices)
    {
        if (choices.Contains(text))
            return text;
        result.AddError($"{source} is '{text}', but must be one of {string.Join(", ", choices)}.");
        return "";
    }

    // [env: KEDGE_MTU], or with a value: [env: KEDGE_JOIN=LINE].
    [GeneratedRegex(@"\s*\[env: (?<name>[A-Z_]+)(=\w+)?\]")]
    private static partial Regex Variables();
}
