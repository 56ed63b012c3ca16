using System.Data.Common;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kedge.Protocol.Ip;

namespace Kedge.Control.Store;

/// <summary>
/// A statement, written as an interpolated string: <c>$"SELECT name FROM zone WHERE id = {id}"</c>. Every hole becomes a parameter, so that
/// no value can become part of the statement. Identifiers are kept as 16 bytes, moments as milliseconds since 1970, addresses as 16 bytes
/// that sort as the addresses do; identifiers become <c>(a, b, c)</c>, and a list of texts JSON.
/// </summary>
[InterpolatedStringHandler]
internal sealed class Sql(int literalLength, int formattedCount)
{
    private readonly StringBuilder _text = new(literalLength + 4 * formattedCount);
    private readonly List<object> _values = new(formattedCount);

    /// <summary>Statements that are written down as they are.</summary>
    public static Sql Literal(string text)
    {
        var sql = new Sql(text.Length, 0);
        sql.AppendLiteral(text);
        return sql;
    }

    public void AppendLiteral(string text) => _text.Append(text);

    public void AppendFormatted(SqlText text) => AppendLiteral(text.Text);

    public void AppendFormatted(string? value) => Add(value);

    public void AppendFormatted(long? value) => Add(value);

    public void AppendFormatted(bool value) => Add(value ? 1L : 0L);

    public void AppendFormatted(byte[]? value) => Add(value);

    public void AppendFormatted(Guid? value) => Add(value?.ToByteArray(bigEndian: true));

    public void AppendFormatted(DateTimeOffset? value) => Add(value?.ToUnixTimeMilliseconds());

    public void AppendFormatted(IpAddress value) => Add(AddressKey.Of(value));

    public void AppendFormatted(IReadOnlyList<string> values) => Add(JsonSerializer.Serialize(values, StoreJson.Default.IReadOnlyListString));

    public void AppendFormatted(IReadOnlyCollection<Guid> values)
    {
        char before = '(';
        foreach (Guid value in values)
        {
            _text.Append(before);
            AppendFormatted(value);
            before = ',';
        }
        _text.Append(values.Count == 0 ? "(NULL)" : ")");
    }

    /// <summary>The statement as a command of a connection; the caller disposes it.</summary>
    public DbCommand ToCommand(DbConnection connection)
    {
        DbCommand command = connection.CreateCommand();
        command.CommandText = _text.ToString();
        for (int i = 0; i < _values.Count; i++)
        {
            DbParameter parameter = command.CreateParameter();
            parameter.ParameterName = $"@p{i}";
            parameter.Value = _values[i];
            command.Parameters.Add(parameter);
        }
        return command;
    }

    private void Add(object? value)
    {
        _text.Append("@p").Append(_values.Count);
        _values.Add(value ?? DBNull.Value);
    }
}

/// <summary>A part of a statement that several share, such as a list of columns. Written in the code, never put together from values.</summary>
/// <param name="Text">The words.</param>
internal sealed record SqlText(string Text);

/// <summary>The present row of a result; columns count from 0. Valid only until the next row.</summary>
internal readonly struct Row(DbDataReader reader)
{
    public string Text(int column) => reader.GetString(column);

    public string? OptionalText(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    public long Number(int column) => reader.GetInt64(column);

    public bool Flag(int column) => reader.GetInt64(column) != 0;

    public IReadOnlyList<string> List(int column) => JsonSerializer.Deserialize(Text(column), StoreJson.Default.IReadOnlyListString)!;

    public byte[] Bytes(int column) => (byte[])reader.GetValue(column);

    public byte[]? OptionalBytes(int column) => reader.IsDBNull(column) ? null : Bytes(column);

    public Guid Guid(int column) => new(Bytes(column), bigEndian: true);

    public DateTimeOffset Time(int column) => DateTimeOffset.FromUnixTimeMilliseconds(reader.GetInt64(column));

    public DateTimeOffset? OptionalTime(int column) => reader.IsDBNull(column) ? null : Time(column);

    public IpAddress Address(int column) => AddressKey.ToAddress(Bytes(column));
}

/// <summary>How lists are kept in a column.</summary>
[JsonSerializable(typeof(IReadOnlyList<string>))]
internal sealed partial class StoreJson : JsonSerializerContext;
