using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Kedge.Commands;

/// <summary>
/// Makes options that have an environment variable each. The option counts before the variable, the variable before the default; a value is
/// checked wherever it comes from.
/// </summary>
internal static class Setting
{
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
}
