using System.Diagnostics.CodeAnalysis;

namespace Kedge.Protocol.Toml;

/// <summary>Asks a table for its keys one by one, and knows in the end which of them nobody asked for.</summary>
/// <param name="table">The table.</param>
/// <param name="prefix">What stands before its keys in errors, such as <c>peers.</c>.</param>
/// <param name="errors">Gets what is wrong.</param>
internal sealed class TomlKeys(TomlTable table, string prefix, List<TomlError> errors)
{
    private readonly HashSet<string> _known = [];

    /// <summary>Adds an error about a key: to its line, or to the table's where it is missing.</summary>
    public void Wrong(string key, string message) =>
        Wrong(table.Entries.TryGetValue(key, out TomlValue? value) ? value.Line : table.Line, key, message);

    /// <summary>Whether there is such a key.</summary>
    public bool Has(string key) => table.Entries.ContainsKey(key);

    /// <summary>A text; null where it is missing or none.</summary>
    public string? Text(string key) => Find<string>(key, "text, in quotes");

    /// <summary>A text that has to be there; null where it is missing or none.</summary>
    /// <param name="key">The key.</param>
    /// <param name="what">What it is, for who has left it out.</param>
    public string? RequiredText(string key, string what)
    {
        if (!Has(key))
            Wrong(key, $"is missing; it is {what}.");
        return Text(key);
    }

    /// <summary>What a text stands for; the default value where it is missing or none.</summary>
    /// <param name="key">The key.</param>
    /// <param name="parse">Reads the text; throws a <see cref="FormatException"/> that says what is wrong with it.</param>
    public T? ParseText<T>(string key, Func<string, T> parse) =>
        Text(key) is { } text && TryParse(key, text, table.Entries[key].Line, parse, out T? parsed) ? parsed : default;

    /// <summary>A boolean; null where it is missing or none.</summary>
    public bool? Flag(string key) => (bool?)Find<object>(key, "true or false", value => value is bool);

    /// <summary>A number within bounds; null where it is missing or none.</summary>
    public long? Number(string key, long minimum, long maximum) =>
        (long?)Find<object>(
            key, $"a number from {minimum} to {maximum}", value => value is long number && number >= minimum && number <= maximum);

    /// <summary>A table; null where it is missing or none.</summary>
    public TomlTable? Table(string key) => Find<TomlTable>(key, "a table");

    /// <summary>An array of texts; empty where it is missing.</summary>
    public List<string> Texts(string key) => ParseTexts(key, text => text);

    /// <summary>What an array of texts stands for; empty where it is missing.</summary>
    /// <inheritdoc cref="ParseText"/>
    public List<T> ParseTexts<T>(string key, Func<string, T> parse)
    {
        List<T> all = [];
        foreach (TomlValue item in Find<List<TomlValue>>(key, "an array of texts") ?? [])
        {
            if (item.Value is not string text)
                Wrong(item.Line, key, "has an item that is no text; put it into quotes.");
            else if (TryParse(key, text, item.Line, parse, out T? parsed))
                all.Add(parsed);
        }
        return all;
    }

    /// <summary>An array of tables; empty where it is missing.</summary>
    public List<TomlTable> Tables(string key)
    {
        List<TomlTable> tables = [];
        foreach (TomlValue item in Find<List<TomlValue>>(key, $"given as [[{key}]]") ?? [])
        {
            if (item.Value is TomlTable found)
                tables.Add(found);
            else
                Wrong(item.Line, key, "has an item that is no table.");
        }
        return tables;
    }

    /// <summary>Adds an error for each key that nobody has asked for.</summary>
    public void RefuseOthers()
    {
        foreach (string key in table.Entries.Keys.Where(key => !_known.Contains(key)))
            Wrong(key, $"is unknown; known are {string.Join(", ", _known.Order())}.");
    }

    private void Wrong(int line, string key, string message) => errors.Add(new TomlError(line, prefix + key, message));

    private bool TryParse<T>(string key, string text, int line, Func<string, T> parse, [MaybeNullWhen(false)] out T parsed)
    {
        try
        {
            parsed = parse(text);
            return true;
        }
        catch (FormatException e)
        {
            Wrong(line, key, e.Message);
            parsed = default;
            return false;
        }
    }

    private T? Find<T>(string key, string kind, Func<T, bool>? isRight = null)
        where T : class
    {
        _known.Add(key);
        if (!table.Entries.TryGetValue(key, out TomlValue? value))
            return null;
        if (value.Value is T found && isRight?.Invoke(found) != false)
            return found;
        Wrong(key, $"must be {kind}.");
        return null;
    }
}
