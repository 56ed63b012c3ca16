using Kedge.Control.Store;

namespace Kedge.Control.Endpoints;

/// <summary>
/// Whether the controller can do its work: its store can be read and written. Anybody may ask, so the store is read once a second at most.
/// Any thread.
/// </summary>
internal sealed class Readiness(SqliteStore store, TimeProvider clock)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private bool _isReadable;
    private long? _readAt;

    /// <summary>Whether it can.</summary>
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
