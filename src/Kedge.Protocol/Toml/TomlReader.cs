using System.Globalization;
using System.Text;

namespace Kedge.Protocol.Toml;

/// <summary>
/// Reads the part of TOML 1.0 that configuration files use: keys, tables and arrays of tables without dots in their names; strings of one
/// line, decimal integers, booleans, arrays, inline tables. What it does not read it refuses, and goes on with the next line, so that all
/// errors are found at once.
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
        string name = ReadKey();
        SkipSpace(overLines: false);
        if (!Take(']') || (isArray && !Take(']')))
            throw Wrong(isArray ? $"[[{name} has no end; write [[{name}]]." : $"[{name} has no end; write [{name}].");
        // What follows belongs to this table, even where it may not be here: its entries are not the last one's.
        _table = new TomlTable(line);
        if (!_document.Entries.TryGetValue(name, out TomlValue? known))
            _document.Entries.Add(name, new(isArray ? new List<TomlValue> { new(_table, line) } : _table, line));
        else if (isArray && known.Value is List<TomlValue> list && list.TrueForAll(item => item.Value is TomlTable))
            list.Add(new(_table, line));
        else
            throw Wrong($"'{name}' is defined twice; the first is in line {known.Line}.");
    }

    private void ReadEntry(TomlTable table, int depth)
    {
        string key = ReadKey();
        SkipSpace(overLines: false);
        if (Next == '.')
            throw Wrong($"A dot follows the key '{key}'; dotted keys are not read here.");
        if (!Take('='))
            throw Wrong($"'=' is missing behind the key '{key}'.");
        SkipSpace(overLines: false);
        TomlValue value = ReadValue(depth);
        if (!table.Entries.TryAdd(key, value))
            throw Wrong($"'{key}' is defined twice; the first is in line {table.Entries[key].Line}.");
    }

    private string ReadKey()
    {
        if (Next is '"' or '\'')
            return ReadString();
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
                '"' or '\'' => ReadString(),
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
        var table = new TomlTable(_line);
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

    private string ReadString()
    {
        char quote = Next;
        _at++;
        if (Next == quote && _at + 1 < _text.Length && _text[_at + 1] == quote)
            throw Wrong("Strings of several lines are not read here.");
        var value = new StringBuilder();
        while (!Take(quote))
        {
            char next = Next;
            if (IsAtEnd || next == '\n')
                throw Wrong($"A string has no end; write {quote} behind it.");
            if (next < ' ' && next != '\t')
                throw Wrong("A string has a control character in it.");
            _at++;
            if (next == '\\' && quote == '"')
                ReadEscape(value);
            else
                value.Append(next);
        }
        return value.ToString();
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
