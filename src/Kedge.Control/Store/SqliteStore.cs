using System.Data.Common;
using Kedge.Protocol;
using Kedge.Threading;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using SQLitePCL;

namespace Kedge.Control.Store;

/// <summary>
/// The store in one SQLite file. All changes go through one queue and one thread, so that revisions have no gaps and become visible in
/// order; those that wait together are committed together, each under a savepoint of its own. The queue is fair: see <see cref="Lane"/>. A change that has returned is on the disk.
/// Reading happens on the caller's thread, beside the changes, and sees none of them half done. Any thread.
/// </summary>
internal sealed partial class SqliteStore : IAsyncDisposable
{
    /// <summary>How many changes may wait, beside those of administrators and of the controller itself; later ones are refused.</summary>
    private const int QueueLength = 4096;

    /// <summary>How many changes are committed together at most.</summary>
    private const int BatchLength = 128;

    /// <summary>How long changes may take that are committed together: nobody gets an answer before all of them are done.</summary>
    private static readonly TimeSpan BatchTime = TimeSpan.FromMilliseconds(20);

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _readers;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly SqliteConnection _writer;
    private readonly StoreTransaction _transaction;
    private readonly FairQueue<Change> _queue = new(QueueLength);
    private readonly Thread _thread;
    private long _revision;
    private bool _disposed;
    private volatile TaskCompletionSource _changed = NewSignal();

    private SqliteStore(string path, SqliteConnection writer, TimeProvider clock, ILogger log)
    {
        _readers = ConnectionString(path, SqliteOpenMode.ReadWrite, pooling: true);
        _clock = clock;
        _log = log;
        _writer = writer;
        _transaction = new StoreTransaction(writer);
        StoreId = new(_transaction.First($"SELECT id FROM store", row => row.Bytes(0))!, bigEndian: true);
        _revision = _transaction.Revision;
        Path = path;
        _thread = DedicatedThread.Start("store", WriteAll, End);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Whether the last change could be kept; false from a full or broken disk on until a change succeeds.</summary>
    public bool IsWritable { get; private set; } = true;

    /// <summary>Opens a store, makes it where there is none, and brings it to the present form.</summary>
    /// <param name="path">The file, in a folder that only its owner can enter.</param>
    /// <param name="clock">What time it is.</param>
    /// <param name="log">Where it tells what happens.</param>
    /// <exception cref="UserError">It cannot be opened.</exception>
    public static SqliteStore Open(string path, TimeProvider clock, ILogger log)
    {
        SqliteLibrary.Use();
        SqliteConnection writer = new(ConnectionString(path, SqliteOpenMode.ReadWriteCreate, pooling: false));
        try
        {
            // SQLite gives its other files the mode of this one.
            using (new FileStream(path, new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, UnixCreateMode = OwnerOnly }))
                writer.Open();
            RunOn(writer, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
            RunOn(writer, "BEGIN IMMEDIATE");
            var transaction = new StoreTransaction(writer);
            transaction.BeginAt(clock.GetUtcNow());
            Migrations.Apply(transaction);
            transaction.Execute($"INSERT INTO store (one, id, revision) VALUES (1, {Guid.NewGuid()}, 0) ON CONFLICT DO NOTHING");
            RunOn(writer, "COMMIT");
            return new SqliteStore(path, writer, clock, log);
        }
        catch (Exception e)
        {
            writer.Dispose();
            throw e is SqliteException or IOException or UnauthorizedAccessException
                ? new UserError($"The store {path} cannot be opened: {e.Message} If it is damaged, restore a backup: kedge controller restore FILE", e)
                : e;
        }
    }

    /// <summary>Copies a store, as it is at one moment, whether or not somebody writes to it.</summary>
    /// <param name="path">The store.</param>
    /// <param name="target">An empty file.</param>
    public static void CopyTo(string path, string target)
    {
        SqliteLibrary.Use();
        using var connection = new SqliteConnection(ConnectionString(path, SqliteOpenMode.ReadWrite, pooling: false));
        connection.Open();
        using DbCommand command = ((Sql)$"VACUUM INTO {target}").ToCommand(connection);
        command.ExecuteNonQuery();
    }

    /// <summary>Looks at a store that nobody has open, and leaves it in the form that it has.</summary>
    /// <exception cref="SqliteException">It cannot be read.</exception>
    public static T Inspect<T>(string path, Func<StoreReader, T> read)
    {
        SqliteLibrary.Use();
        using var connection = new SqliteConnection(ConnectionString(path, SqliteOpenMode.ReadWrite, pooling: false));
        connection.Open();
        return read(new StoreReader(connection, default));
    }

    /// <summary>Gives a store that nobody has open another name, because its revisions now mean something else.</summary>
    /// <param name="path">The store.</param>
    /// <param name="clock">What time it is.</param>
    /// <param name="change">What else is changed with the name.</param>
    /// <exception cref="UserError">It is no store.</exception>
    public static void Rename(string path, TimeProvider clock, Action<StoreTransaction> change)
    {
        SqliteLibrary.Use();
        using var connection = new SqliteConnection(ConnectionString(path, SqliteOpenMode.ReadWrite, pooling: false));
        connection.Open();
        RunOn(connection, "PRAGMA synchronous = FULL; BEGIN IMMEDIATE");
        var transaction = new StoreTransaction(connection);
        transaction.BeginAt(clock.GetUtcNow());
        if (transaction.Execute($"UPDATE store SET id = {Guid.NewGuid()}") != 1)
            throw new UserError($"{path} has no network in it.");
        transaction.Audit(Actor.Controller, "store.restore", "store", null, "restored from a backup");
        change(transaction);
        RunOn(connection, "COMMIT");
    }

    /// <summary>
    /// Looks at the store as it is now. There may be as many readers as threads, so each caches little (KiB, as SQLite's negative numbers
    /// mean): the kernel has the file in memory once for all.
    /// </summary>
    /// <exception cref="StoreException">It cannot be read.</exception>
    public T Read<T>(Func<StoreReader, T> read)
    {
        try
        {
            using var connection = new SqliteConnection(_readers);
            connection.Open();
            RunOn(connection, "PRAGMA query_only = ON; PRAGMA cache_size = -256; BEGIN");
            try
            {
                return read(new StoreReader(connection, _clock.GetUtcNow()));
            }
            finally
            {
                RunOn(connection, "ROLLBACK");
            }
        }
        catch (SqliteException e)
        {
            throw new StoreException($"The store cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Carries out a change, and returns when it is on the disk. What it throws undoes it, and is thrown here.</summary>
    /// <param name="change">The change.</param>
    /// <param name="lane">For whom it is made.</param>
    /// <exception cref="StoreException">It cannot be kept, or too many wait already.</exception>
    /// <exception cref="ObjectDisposedException">The store has been closed.</exception>
    public Task<T> WriteAsync<T>(Func<StoreTransaction, T> change, Lane lane = default)
    {
        var pending = new Change<T>(change);
        return _queue.TryAdd(lane, pending) switch
        {
            QueueOutcome.Added => pending.Result.Task,
            QueueOutcome.Full => Task.FromException<T>(new StoreException($"More than {QueueLength} changes wait for the store.")),
            _ => Task.FromException<T>(new ObjectDisposedException(nameof(SqliteStore))),
        };
    }

    /// <inheritdoc cref="WriteAsync{T}"/>
    public Task WriteAsync(Action<StoreTransaction> change, Lane lane = default) => WriteAsync(
        transaction =>
        {
            change(transaction);
            return true;
        },
        lane);

    /// <summary>Carries out what still waits, and closes the file.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
            return;
        _queue.TryClose();
        await Task.Run(_thread.Join);
        _queue.Dispose();
        _writer.Dispose();
        using (var readers = new SqliteConnection(_readers))
            SqliteConnection.ClearPool(readers);
        _changed.TrySetCanceled();
    }

    private static string ConnectionString(string path, SqliteOpenMode mode, bool pooling) =>
        new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = pooling, DefaultTimeout = 5 }.ToString();

    private static void RunOn(SqliteConnection connection, string statements)
    {
        using DbCommand command = Sql.Literal(statements).ToCommand(connection);
        command.ExecuteNonQuery();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void WriteAll()
    {
        while (_queue.TryTake(out Change? change))
            Write(change);
    }

    // Those that wait must not wait for ever.
    private void End(Exception exception)
    {
        IsWritable = false;
        Log.StoreEnded(_log, exception, Path);
        _queue.TryClose();
        while (_queue.TryTake(out Change? change))
        {
            change.Fail(new StoreException("The store takes no changes any more.", exception));
            change.Complete();
        }
    }

    /// <summary>Carries out a change, and those that wait behind it, in one transaction.</summary>
    private void Write(Change first)
    {
        List<Change> batch = [first];
        try
        {
            long start = _clock.GetTimestamp();
            RunOn(_writer, "BEGIN IMMEDIATE");
            Run(first);
            while (batch.Count < BatchLength && _clock.GetElapsedTime(start) < BatchTime && _queue.TryTakeWaiting(out Change? next))
            {
                batch.Add(next);
                Run(next);
            }
            long revision = _transaction.Revision;
            RunOn(_writer, "COMMIT");
            IsWritable = true;
            Publish(revision);
        }
        catch (Exception e)
        {
            Undo();
            IsWritable = false;
            if (e is SqliteException)
                Log.StoreFailed(_log, Path, e.Message);
            else
                Log.WorkFailed(_log, e, "Keeping a change");
            var failure = new StoreException($"The store cannot keep a change: {e.Message}", e);
            foreach (Change change in batch)
                change.Fail(failure);
        }
        foreach (Change change in batch)
            change.Complete();
    }

    private void Run(Change change)
    {
        _transaction.BeginAt(_clock.GetUtcNow());
        RunOn(_writer, "SAVEPOINT change");
        if (!change.TryRun(_transaction))
            RunOn(_writer, "ROLLBACK TO change");
        RunOn(_writer, "RELEASE change");
    }

    /// <summary>Ends a transaction that cannot be committed; after some errors SQLite has already done so.</summary>
    private void Undo()
    {
        if (raw.sqlite3_get_autocommit(_writer.Handle) != 0)
            return;
        try
        {
            RunOn(_writer, "ROLLBACK");
        }
        catch (SqliteException e)
        {
            Log.StoreFailed(_log, Path, e.Message);
        }
    }

    private void Publish(long revision)
    {
        if (revision == Interlocked.Exchange(ref _revision, revision))
            return;
        TaskCompletionSource changed = _changed;
        _changed = NewSignal();
        changed.SetResult();
    }

    /// <summary>A change that waits, and what became of it.</summary>
    private abstract class Change
    {
        /// <summary>Carries it out. What the change itself throws is kept; what SQLite cannot do is thrown.</summary>
        /// <returns>Whether it is to be kept.</returns>
        public abstract bool TryRun(StoreTransaction transaction);

        /// <summary>Replaces its outcome, because it was undone.</summary>
        public abstract void Fail(Exception exception);

        /// <summary>Lets its caller go on.</summary>
        public abstract void Complete();
    }

    private sealed class Change<T>(Func<StoreTransaction, T> run) : Change
    {
        private Exception? _exception;
        private T _value = default!;

        public TaskCompletionSource<T> Result { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override bool TryRun(StoreTransaction transaction)
        {
            try
            {
                _value = run(transaction);
                return true;
            }
            catch (Exception e) when (e is not SqliteException { SqliteErrorCode: not raw.SQLITE_CONSTRAINT })
            {
                _exception = e;
                return false;
            }
        }

        public override void Fail(Exception exception) => _exception = exception;

        public override void Complete()
        {
            if (_exception is null)
                Result.SetResult(_value);
            else
                Result.SetException(_exception);
        }
    }
}
