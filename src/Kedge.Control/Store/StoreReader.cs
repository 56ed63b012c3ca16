using System.Data.Common;

namespace Kedge.Control.Store;

/// <summary>A look at the store as it was at one moment. For one thread, and only while the function runs that it was given to.</summary>
internal class StoreReader(DbConnection connection, DateTimeOffset now)
{
    /// <summary>The time by the controller's clock.</summary>
    public DateTimeOffset Now { get; protected set; } = now;

    /// <summary>The store's revision.</summary>
    public long Revision => Number($"SELECT revision FROM store");

    /// <summary>All rows of a result.</summary>
    public List<T> List<T>(Sql sql, Func<Row, T> read)
    {
        List<T> all = [];
        Each(sql, row =>
        {
            all.Add(read(row));
            return true;
        });
        return all;
    }

    /// <summary>The first row of a result; null where there is none.</summary>
    public T? First<T>(Sql sql, Func<Row, T> read)
        where T : class
    {
        T? first = null;
        Each(sql, row =>
        {
            first = read(row);
            return false;
        });
        return first;
    }

    /// <summary>Row after row, as long as <paramref name="next"/> wants more.</summary>
    public void Each(Sql sql, Func<Row, bool> next)
    {
        using DbCommand command = sql.ToCommand(connection);
        using DbDataReader reader = command.ExecuteReader();
        while (reader.Read() && next(new Row(reader)))
        {
        }
    }

    /// <summary>The number in the first column of the first row; 0 where there is none.</summary>
    public long Number(Sql sql)
    {
        using DbCommand command = sql.ToCommand(connection);
        return command.ExecuteScalar() as long? ?? 0;
    }

    /// <summary>Carries out a statement and returns how many rows it changed.</summary>
    protected int Run(Sql sql)
    {
        using DbCommand command = sql.ToCommand(connection);
        return command.ExecuteNonQuery();
    }
}
