using Kedge.Linux;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.Dataplane;

/// <summary>
/// Keeps a node process's state on disk: what was applied, at once where a peer was removed, else within <see cref="Delay"/>; and every
/// <see cref="Interval"/> what has changed by itself, which is where peers are and when they were last in use. A disk that cannot be
/// written is logged, and tried again. Any thread may call it. Whoever made it disposes it, before the device: that writes once more.
/// </summary>
public sealed class StateRecorder : IAsyncDisposable
{
    /// <summary>How long changes are collected.</summary>
    public static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(250);

    /// <summary>How often the device is looked at.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly NodeStateFile _file;
    private readonly Func<DeviceStatus> _status;
    private readonly string? _privateKeyFile;
    private readonly ILogger _log;
    private readonly Lock _writing = new();
    private readonly SemaphoreSlim _changed = new(0, 1);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _recording;

    /// <summary>Starts to record.</summary>
    /// <param name="file">Where to.</param>
    /// <param name="status">Copies the device's state; may throw <see cref="ObjectDisposedException"/> while the device ends.</param>
    /// <param name="privateKeyFile">Where the device's key is; null where nobody has said.</param>
    /// <param name="clock">Measures the pause after a defect.</param>
    /// <param name="log">Receives failures to write, and defects.</param>
    public StateRecorder(NodeStateFile file, Func<DeviceStatus> status, string? privateKeyFile, TimeProvider clock, ILogger log)
    {
        (_file, _status, _privateKeyFile, _log) = (file, status, privateKeyFile, log);
        _recording = BackgroundLoop.RunAsync(RecordAsync, e => Log.StateNotRecorded(log, e), clock, _stop.Token);
    }

    /// <summary>A change has been applied. A peer that it removed is off the disk when this returns: no restart brings it back.</summary>
    public void Applied(DeviceChange change)
    {
        ArgumentNullException.ThrowIfNull(change);
        if (change.ReplacePeers || change.Peers.Any(peer => peer.Remove || peer.ReplaceAllowedIps))
            Write();
        else if (_changed.CurrentCount == 0)
            Wake();
    }

    /// <summary>Writes a last time.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _recording;
        Write();
        _stop.Dispose();
        _changed.Dispose();
    }

    private async Task RecordAsync(CancellationToken stop)
    {
        if (await _changed.WaitAsync(Interval, stop))
            await Task.Delay(Delay, stop);
        Write();
    }

    private void Wake()
    {
        try
        {
            _changed.Release();
        }
        catch (SemaphoreFullException)
        {
            // Another thread was faster.
        }
    }

    private void Write()
    {
        try
        {
            lock (_writing)
            {
                using DeviceStatus status = _status();
                NodeState state = NodeState.Of(status, _privateKeyFile);
                try
                {
                    _file.Write(state);
                }
                finally
                {
                    state.Clear();
                }
            }
        }
        catch (ObjectDisposedException)
        {
            // The device has ended, and has nothing more to say.
        }
        catch (Exception e) when (e is LinuxException or IOException or UnauthorizedAccessException)
        {
            Log.StateNotKept(_log, e.Message);
        }
    }
}
