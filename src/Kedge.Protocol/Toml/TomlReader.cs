using System.Globalization;
using System.Text;

namespace Kedge.Protocol.Toml;

/// <summary>
/// Reads the part of TOML 1.0 that configuration files use: all but dates, floating-point numbers, and integers that are not decimal. It
/// refuses what it does not read, and goes on with the next line, so that all errors are found at once.
/// </summary>
internal sealed class TomlReader
{
    private const int MaximumDepth = 16;

    private readonly string _text;
    private readonly List<TomlError> _errors;
    private readonly TomlTable _document = new(1);
    private TomlTable _table;
    private int _at;
    private int _line = 1;

    private TomlReader(string text, List<TomlError> errors) => (_text, _errors, _table) = (text, errors, _document);

    private char Next => _at < _text.Length ? _text[_at] : '\0';

    private bool IsAtEnd => _at >= _text.Length;

    /// <summary>Reads a document; what is wrong with it is added to <paramref name="errors"/>.</summary>
    public static TomlTable Read(string text, List<TomlError> errors)
    {
        var reader = new TomlReader(text, errors);
        reader.ReadDocument();
        return reader._document;
    }

    private void ReadDocument()
    {
        while (true)
        {
            SkipSpace(overLines: true);
            if (IsAtEnd)
                return;
            int line = _line;
            try
            {
                if (Next == '[')
                    ReadHeader();
                else
                    ReadEntry(_table, 0);
                SkipSpace(overLines: false);
                if (!IsAtEnd && Next != '\n')
                    throw Wrong("Something follows that does not belong here; begin a new line.");
            }
            catch (FormatException wrong)
            {
                _errors.Add(new TomlError(line, "", wrong.Message));
                while (!IsAtEnd && Next != '\n')
                    _at++;
            }
        }
    }

    private void ReadHeader()
    {
        int line = _line;
        _at++;
        bool isArray = Take('[');
        SkipSpace(overLines: false);
        List<string> path = ReadKeys();
        string name = string.Join('.', path);
        if (!Take(']') || (isArray && !Take(']')))
            throw Wrong(isArray ? $"[[{name} has no end; write [[{name}]]." : $"[{name} has no end; write [{name}].");
        // What follows belongs to this table, even where it may not be here: its entries are not the last one's.
        _table = new TomlTable(line);
        Dictionary<string, TomlValue> parent = FindParent(path, line).Entries;
        if (!parent.TryGetValue(path[^1], out TomlValue? known))
            parent.Add(path[^1], new(isArray ? new List<TomlValue> { new(_table, line) } : _table, line));
        else if (isArray && LastTable(known) is not null)
            ((List<TomlValue>)known.Value).Add(new(_table, line));
        else if (!isArray && known.Value is TomlTable { Origin: TomlTableOrigin.HeaderOfAnother } begun)
            (begun.Origin, _table) = (TomlTableOrigin.Header, begun);
        else
            throw Wrong($"'{name}' is defined twice; the first is in line {known.Line}.");
    }

    /// <summary>The table that a header's last key is in; those on the way that do not exist are made.</summary>
    private TomlTable FindParent(List<string> path, int line)
    {
        TomlTable table = _document;
        foreach (string key in path.SkipLast(1))
        {
            if (!table.Entries.TryGetValue(key, out TomlValue? known))
                table.Entries.Add(key, known = new(new TomlTable(line) { Origin = TomlTableOrigin.HeaderOfAnother }, line));
            table = known.Value as TomlTable ?? LastTable(known) ?? throw Wrong($"'{key}' is no table; it is defined in line {known.Line}.");
            if (table.Origin == TomlTableOrigin.Inline)
                throw Wrong($"'{key}' is complete; put what belongs to it into its braces, in line {table.Line}.");
        }
        return table;
    }

    private static TomlTable? LastTable(TomlValue value) => value.Value is List<TomlValue> { Count: > 0 } list ? list[^1].Value as TomlTable : null;

    private void ReadEntry(TomlTable table, int depth)
    {
        int line = _line;
        List<string> path = ReadKeys();
        string name = string.Join('.', path);
        if (!Take('='))
            throw Wrong($"'=' is missing behind the key '{name}'.");
        SkipSpace(overLines: false);
        TomlValue value = ReadValue(depth);
        foreach (string key in path.SkipLast(1))
        {
            if (!table.Entries.TryGetValue(key, out TomlValue? known))
                table.Entries.Add(key, known = new(new TomlTable(line) { Origin = TomlTableOrigin.DottedKey }, line));
            table = known.Value is TomlTable { Origin: TomlTableOrigin.DottedKey } next
                ? next
                : throw Wrong($"'{name}' cannot be added to '{key}', which is defined in line {known.Line}.");
        }
        if (!table.Entries.TryAdd(path[^1], value))
            throw Wrong($"'{name}' is defined twice; the first is in line {table.Entries[path[^1]].Line}.");
    }

    /// <summary>One key, or several with dots between them; and the space behind.</summary>
    private List<string> ReadKeys()
    {
        List<string> keys = [];
        do
        {
            if (keys.Count == MaximumDepth)
                throw Wrong($"A key has more than {MaximumDepth} parts.");
            SkipSpace(overLines: false);
            keys.Add(ReadKey());
            SkipSpace(overLines: false);
        }
        while (Take('.'));
        return keys;
    }

    private string ReadKey()
    {
        if (Next is '"' or '\'')
            return ReadString(mayHaveLines: false);
        int start = _at;
        while (char.IsAsciiLetterOrDigit(Next) || Next is '_' or '-')
            _at++;
        return _at > start ? _text[start.._at] : throw Wrong("A key is missing: letters, digits, '_' and '-', or a string.");
    }

    private TomlValue ReadValue(int depth)
    {
        if (depth > MaximumDepth)
            throw Wrong($"Values are nested more than {MaximumDepth} deep.");
        int line = _line;
        return new(
            Next switch
            {
                '"' or '\'' => ReadString(mayHaveLines: true),
                '[' => ReadArray(depth),
                '{' => ReadInlineTable(depth),
                _ => ReadWord(),
            },
            line);
    }

    private object ReadWord()
    {
        int start = _at;
        while (char.IsAsciiLetterOrDigit(Next) || Next is '_' or '-' or '+' or '.' or ':')
            _at++;
        string word = _text[start.._at];
        return word switch
        {
            "true" => true,
            "false" => false,
            "" => throw Wrong("A value is missing."),
            _ when long.TryParse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) => (object)number,
            _ => throw Wrong($"'{word}' is no value; text is put into quotes."),
        };
    }

    private List<TomlValue> ReadArray(int depth)
    {
        var items = new List<TomlValue>();
        _at++;
        while (true)
        {
            SkipSpace(overLines: true);
            if (Take(']'))
                return items;
            items.Add(ReadValue(depth + 1));
            SkipSpace(overLines: true);
            if (!Take(',') && Next != ']')
                throw Wrong("An array has no end, or a comma is missing in it.");
        }
    }

    private TomlTable ReadInlineTable(int depth)
    {
        var table = new TomlTable(_line) { Origin = TomlTableOrigin.Inline };
        _at++;
        SkipSpace(overLines: false);
        if (Take('}'))
            return table;
        while (true)
        {
            SkipSpace(overLines: false);
            ReadEntry(table, depth + 1);
            SkipSpace(overLines: false);
            if (Take('}'))
                return table;
            if (!Take(','))
                throw Wrong("An inline table has no end, or a comma is missing in it.");
        }
    }

    private string ReadString(bool mayHaveLines)
    {
        char quote = Next;
        bool hasLines = CountQuotes(quote) >= 3;
        if (hasLines && !mayHaveLines)
            throw Wrong("A key is one line; write it with one quote at each end.");
        _at += hasLines ? 3 : 1;
        if (hasLines && Next == '\r')
            _at++;
        if (hasLines && Take('\n'))
            _line++;
        var value = new StringBuilder();
        while (!TakeEnd(quote, hasLines, value))
        {
            char next = Next;
            if (IsAtEnd || (next == '\n' && !hasLines))
                throw Wrong($"A string has no end; write {new string(quote, hasLines ? 3 : 1)} behind it.");
            if (next < ' ' && next != '\t' && !(hasLines && next is '\n' or '\r'))
                throw Wrong("A string has a control character in it.");
            _at++;
            _line += next == '\n' ? 1 : 0;
            if (next != '\\' || quote == '\'')
                value.Append(next);
            else if (!hasLines || !TrySkipLineEnd())
                ReadEscape(value);
        }
        return value.ToString();
    }

    /// <summary>Takes the quotes at the end of a string. Of up to five after several lines, the first ones are the string's.</summary>
    private bool TakeEnd(char quote, bool hasLines, StringBuilder value)
    {
        if (!hasLines)
            return Take(quote);
        int count = CountQuotes(quote);
        if (count < 3)
            return false;
        value.Append(quote, Math.Min(count, 5) - 3);
        _at += Math.Min(count, 5);
        return true;
    }

    private int CountQuotes(char quote)
    {
        int end = _at;
        while (end < _text.Length && _text[end] == quote)
            end++;
        return end - _at;
    }

    /// <summary>Behind a backslash: skips the end of the line, and all space up to what follows. Does nothing where the line goes on.</summary>
    private bool TrySkipLineEnd()
    {
        int end = _at;
        while (end < _text.Length && _text[end] is ' ' or '\t' or '\r')
            end++;
        if (end == _text.Length || _text[end] != '\n')
            return false;
        for (; _at < _text.Length && Next is ' ' or '\t' or '\r' or '\n'; _at++)
            _line += Next == '\n' ? 1 : 0;
        return true;
    }

    private void ReadEscape(StringBuilder value)
    {
        char escape = Next;
        _at++;
        switch (escape)
        {
            case 'u' or 'U':
                int digits = escape == 'u' ? 4 : 8;
                if (_at + digits > _text.Length
                    || !uint.TryParse(_text.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint scalar)
                    || !Rune.TryCreate(scalar, out Rune rune))
                {
                    throw Wrong($"\\{escape} needs the {digits} hexadecimal digits of a character behind it.");
                }
                _at += digits;
                value.Append(rune.ToString());
                break;
            default:
                int known = "btnfr\"\\".IndexOf(escape, StringComparison.Ordinal);
                value.Append(known >= 0 ? "\b\t\n\f\r\"\\"[known] : throw Wrong($"\\{escape} means nothing; write \\\\ for a backslash."));
                break;
        }
    }

    private void SkipSpace(bool overLines)
    {
        for (; !IsAtEnd; _at++)
        {
            if (Next == '#')
                SkipComment();
            if (Next == '\n' && !IsAtEnd)
            {
                if (!overLines)
                    return;
                _line++;
            }
            else if (Next is not (' ' or '\t' or '\r'))
            {
                return;
            }
        }
    }

    private void SkipComment()
    {
        while (!IsAtEnd && Next != '\n')
            _at++;
    }

    private bool Take(char expected)
    {
        if (IsAtEnd || Next != expected)
            return false;
        _at++;
        return true;
    }

    private static FormatException Wrong(string message) => new(message);
}
