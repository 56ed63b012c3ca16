namespace Kedge.Protocol.Toml;

/// <summary>A value and where it is.</summary>
/// <param name="Value">
/// A <see cref="string"/>, a <see cref="long"/>, a <see cref="bool"/>, a list of <see cref="TomlValue"/>, or a <see cref="TomlTable"/>.
/// </param>
/// <param name="Line">The line that it begins in, from 1.</param>
internal sealed record TomlValue(object Value, int Line);

/// <summary>How a table came to be, which decides what may be added to it (TOML 1.0, "Table" and "Inline Table").</summary>
internal enum TomlTableOrigin
{
    /// <summary>The document, or a header of its own: complete once the next header begins.</summary>
    Header,

    /// <summary>The header of a table inside it: may still get a header of its own.</summary>
    HeaderOfAnother,

    /// <summary>A dotted key: other dotted keys may add to it.</summary>
    DottedKey,

    /// <summary>Braces: complete.</summary>
    Inline,
}

/// <summary>Keys and their values, in order.</summary>
/// <param name="Line">The line of its header, or that it begins in; 1 for the document.</param>
internal sealed record TomlTable(int Line)
{
    /// <summary>How it came to be.</summary>
    public TomlTableOrigin Origin { get; set; }

    /// <summary>The entries.</summary>
    public Dictionary<string, TomlValue> Entries { get; } = [];
}

/// <summary>What is wrong with a text, and where.</summary>
/// <param name="Line">The line, from 1.</param>
/// <param name="Key">The key that it is about; empty where there is none.</param>
/// <param name="Message">What is wrong, and what would be right.</param>
public sealed record TomlError(int Line, string Key, string Message)
{
    /// <inheritdoc/>
    public override string ToString() => Key.Length == 0 ? $"line {Line}: {Message}" : $"line {Line}: {Key}: {Message}";
}
