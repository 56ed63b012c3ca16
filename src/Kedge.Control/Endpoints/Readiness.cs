using Kedge.Control.Store;

namespace Kedge.Control.Endpoints;

/// <summary>
/// Whether the controller can do its work: its store can be read and written. Anyone may ask, so the store is read at most once a second.
/// Any thread.
/// </summary>
internal sealed class Readiness(SqliteStore store, TimeProvider clock)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private bool _isReadable;
    private long? _readAt;

    /// <summary>Whether the store can be read and written.</summary>
    public bool IsReady => store.IsWritable && IsReadable();

    private bool IsReadable()
    {
        lock (_lock)
        {
            if (_readAt is { } at && clock.GetElapsedTime(at) < Interval)
                return _isReadable;
            _readAt = clock.GetTimestamp();
            try
            {
                _isReadable = store.Read(reader => reader.Revision) >= 0;
            }
            catch (StoreException)
            {
                _isReadable = false;
            }
            return _isReadable;
        }
    }
}
