using System.CommandLine;
using System.CommandLine.Parsing;
using Kedge.Protocol.Ip;

namespace Kedge.Commands.Admin;

/// <summary>
/// Makes the arguments and options of administration, so that each is called, described and checked the same everywhere. A value that can
/// be right nowhere is a wrong call; the rest is for the controller to judge.
/// </summary>
internal static class Inputs
{
    /// <summary>An existing zone, as an argument.</summary>
    public static Argument<string> Zone() => Named("ZONE", "The zone's name or identifier.", NameCompletion.Zones);

    /// <summary>An existing node, as an argument.</summary>
    public static Argument<string> Node() => Named("NODE", "The node's name or identifier.", NameCompletion.Nodes);

    /// <summary>A new name, as an argument.</summary>
    public static Argument<string> NewName(string valueName, string description)
    {
        var argument = new Argument<string>(valueName) { Description = description };
        argument.Validators.Add(result => Check(result, result.Tokens, text => IsLabel(text)
            ? null
            : $"'{text}' cannot be a name: a name has 1 to 63 of a-z, 0-9 and '-', and neither begins nor ends with '-'."));
        return argument;
    }

    /// <summary>A zone, as an option.</summary>
    /// <param name="description">What it is for.</param>
    public static Option<string?> InZone(string description)
    {
        var option = new Option<string?>("--zone") { Description = description, HelpName = "ZONE" };
        option.Validators.Add(result => Check(result, result.Tokens, NameError));
        option.CompletionSources.Add(NameCompletion.Zones);
        return option;
    }

    /// <summary>A text.</summary>
    public static Option<string?> Text(string name, string valueName, string description) =>
        new(name) { Description = description, HelpName = valueName };

    /// <summary>Prefixes, each with an option of its own.</summary>
    public static Option<string[]> Prefixes(string name, string description) => Several(name, "PREFIX", description, text =>
        text.Contains('/') && IpPrefix.TryParse(text, out _) ? null : $"'{text}' is no prefix: write it like 10.1.0.0/16 or fd00:1::/64.");

    /// <summary>Addresses, each with an option of its own.</summary>
    public static Option<string[]> Addresses(string name, string description) => Several(name, "ADDRESS", description, text =>
        IpAddress.TryParse(text, out _) ? null : $"'{text}' is no address: write it like 10.200.0.7 or fd00:1::7.");

    /// <summary>Values in one option, with commas between them, or in several. <see cref="Items"/> reads them.</summary>
    /// <param name="name">The option.</param>
    /// <param name="valueName">What a value is.</param>
    /// <param name="description">What they are for.</param>
    /// <param name="isItem">Whether a text is one.</param>
    /// <param name="expected">What it must be, after "must be".</param>
    public static Option<string[]> List(string name, string valueName, string description, Func<string, bool> isItem, string expected) =>
        Several(name, $"{valueName}[,…]", description, text => Split(text).FirstOrDefault(item => !isItem(item)) is { } wrong
            ? $"{name} is '{wrong}', but must be {expected}."
            : null);

    /// <summary>The values of an option of <see cref="List"/>.</summary>
    public static IReadOnlyList<string> Items(ParseResult call, Option<string[]> option) => [.. call.GetRequiredValue(option).SelectMany(Split)];

    /// <summary>Tags, each with an option of its own.</summary>
    public static Option<string[]> Tags(string description) => Several("--tag", "TAG", description, text =>
        IsLabel(text) ? null : $"'{text}' cannot be a tag: a tag has 1 to 63 of a-z, 0-9 and '-', and neither begins nor ends with '-'.");

    /// <summary>An endpoint.</summary>
    public static Option<string?> Endpoint(string description)
    {
        Option<string?> option = Text("--endpoint", "ADDRESS:PORT", description);
        option.Validators.Add(result => Check(result, result.Tokens, text =>
            Protocol.Ip.Endpoint.TryParse(text, out Endpoint endpoint) && endpoint.Port != 0
                ? null
                : $"'{text}' is no endpoint: write it like 192.0.2.1:51820 or [2001:db8::1]:51820."));
        return option;
    }

    /// <summary>A WireGuard public key.</summary>
    public static Option<string> PublicKey()
    {
        var option = new Option<string>("--public-key")
        {
            Description = "The peer's public key, as 'wg pubkey' prints it.",
            HelpName = "KEY",
            Required = true,
        };
        option.Validators.Add(result => Check(result, result.Tokens, text =>
            Protocol.WireGuard.PublicKey.TryParse(text, out _)
                ? null
                : $"'{text}' is no WireGuard public key: 'wg pubkey' prints one, 44 characters that end with '='."));
        return option;
    }

    /// <summary>How long something lives, in seconds; null where it is not said.</summary>
    public static Option<int?> Ttl(string description) => Duration("--ttl", description);

    /// <summary>A duration in seconds; null where it is not said.</summary>
    public static Option<int?> Duration(string name, string description)
    {
        return new Option<int?>(name)
        {
            Description = description,
            HelpName = "TIME",
            CustomParser = result => Lifetime.TryParse(result.Tokens[0].Value, out int seconds)
                ? seconds
                : Refuse(result, $"'{result.Tokens[0].Value}' is no time from 1m to 365d: write it like 90s, 30m, 12h or 7d."),
        };

        static int? Refuse(ArgumentResult result, string error)
        {
            result.AddError(error);
            return null;
        }
    }

    /// <summary>Whether a text can be the name of a zone or a node, or a tag: a DNS label (RFC 1123 section 2.1) in lower case.</summary>
    public static bool IsLabel(string text) =>
        text.Length is >= 1 and <= 63
        && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')
        && text[0] != '-'
        && text[^1] != '-';

    private static Argument<string> Named(
        string valueName, string description, Func<System.CommandLine.Completions.CompletionContext, IEnumerable<string>> names)
    {
        var argument = new Argument<string>(valueName) { Description = description };
        argument.Validators.Add(result => Check(result, result.Tokens, NameError));
        argument.CompletionSources.Add(names);
        return argument;
    }

    private static Option<string[]> Several(string name, string valueName, string description, Func<string, string?> error)
    {
        var option = new Option<string[]>(name)
        {
            Description = $"{description} Repeatable.",
            HelpName = valueName,
            Arity = ArgumentArity.OneOrMore,
            AllowMultipleArgumentsPerToken = false,
            DefaultValueFactory = _ => [],
        };
        option.Validators.Add(result => Check(result, result.Tokens, error));
        return option;
    }

    // An empty value stays one, so that it is refused: '--ip ""' is an unset variable of a script.
    private static string[] Split(string text) => text.Split(',', StringSplitOptions.TrimEntries);

    private static string? NameError(string text) => IsLabel(text) || Guid.TryParse(text, out _)
        ? null
        : $"'{text}' is neither a name (a-z, 0-9 and '-') nor an identifier.";

    private static void Check(SymbolResult result, IReadOnlyList<Token> tokens, Func<string, string?> error)
    {
        foreach (string problem in tokens.Select(token => error(token.Value)).OfType<string>())
            result.AddError(problem);
    }
}
