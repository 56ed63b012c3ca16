using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.KeyExchange;

/// <summary>
/// Takes output keys to where they are used; a peer for which that is slow delays no other. A WireGuard device that was restarted or
/// reconfigured has lost its PSKs and could not reach its peers until the next exchange, so devices are checked every few seconds and given
/// their PSKs back. Before the first exchange, a device keeps a PSK that it already has for as long as a key may live, because an earlier
/// process may have exchanged it; a peer without a PSK gets a random one.
/// </summary>
internal sealed class OutputKeyInstaller : IDisposable
{
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(5), EndPatience = TimeSpan.FromSeconds(1);

    private readonly Dictionary<KeyExchangePeer, OutputKeyDelivery> _deliveries;
    private readonly List<Thread> _checks = [];
    private readonly TimeSpan _keyLifetime;
    private readonly string? _runDirectory;
    private readonly ManualResetEventSlim _stop = new();
    private readonly ILogger _log;
    private Instant _keptUntil = Instant.Never;
    private volatile bool _recordingFailed;

    /// <summary>An installer that does nothing before <see cref="Start"/>.</summary>
    /// <param name="settings">The peers, and the folder that records their exchanges.</param>
    /// <param name="output">Receives a line for each key that is written to a file, in the format of <c>rosenpass</c>. Any thread.</param>
    /// <param name="log">Receives failures.</param>
    public OutputKeyInstaller(KeyExchangeSettings settings, Action<string> output, ILogger log)
    {
        _deliveries = settings.Peers.ToDictionary(
            peer => peer, peer => new OutputKeyDelivery(peer, time => Record(peer, time), output, log));
        _keyLifetime = settings.Timing.RejectAfterTime;
        _runDirectory = settings.RunDirectory;
        _log = log;
    }

    /// <summary>Sets a random PSK for each WireGuard peer that has none, and begins to check devices.</summary>
    public void Start()
    {
        _keptUntil = BootClock.Now + _keyLifetime;
        foreach ((KeyExchangePeer peer, OutputKeyDelivery delivery) in _deliveries)
        {
            Record(peer, lastExchange: null);
            if (peer.WireGuard is not (null or WgToolPeer)) // a device of this process, which has just begun
                delivery.PostRandom();
        }
        foreach (IGrouping<string, KeyExchangePeer> device in
            _deliveries.Keys.Where(peer => peer.WireGuard is WgToolPeer).GroupBy(peer => peer.WireGuard!.Interface))
        {
            _checks.Add(DedicatedThread.Start(
                "PSK check", () => KeepChecking(device.Key, [.. device]), exception => Log.DeviceNotChecked(_log, device.Key, exception)));
        }
    }

    /// <summary>Delivers a key. Any thread.</summary>
    /// <param name="peer">The peer that the key is shared with.</param>
    /// <param name="reason">Why the key changes.</param>
    /// <param name="key">The key, 32 bytes; copied.</param>
    public void Post(KeyExchangePeer peer, OutputKeyReason reason, ReadOnlySpan<byte> key) => _deliveries[peer].Post(reason, key);

    /// <summary>Ends all threads, but does not wait for a program that hangs, and zeroes all keys.</summary>
    public void Dispose()
    {
        _stop.Set();
        foreach (OutputKeyDelivery delivery in _deliveries.Values)
            delivery.Stop();
        Instant deadline = BootClock.Now + EndPatience;
        bool ended = _deliveries.Values.All(delivery => delivery.Wait(UntilDeadline())) & _checks.All(thread => thread.Join(UntilDeadline()));
        foreach (KeyExchangePeer peer in _deliveries.Keys)
        {
            if (FolderOf(peer) is { } folder)
                folder.Delete(peer.WireGuard!.PublicKey);
        }
        if (ended)
            _stop.Dispose();

        TimeSpan UntilDeadline() => deadline > BootClock.Now ? deadline - BootClock.Now : TimeSpan.Zero;
    }

    private void KeepChecking(string device, KeyExchangePeer[] peers)
    {
        bool addPeers = true;
        do
        {
            try
            {
                Check(device, peers, addPeers);
            }
            catch (Exception e)
            {
                // A defect here must not end the process, and with it everybody's keys.
                Log.DeviceNotChecked(_log, device, e);
            }
            addPeers = false;
        }
        while (!_stop.Wait(CheckInterval));
    }

    /// <summary>
    /// Restores the keys that a device has lost. Skips a device that does not exist, and, unless <paramref name="addPeers"/>, a peer that the
    /// device does not have.
    /// </summary>
    private void Check(string device, KeyExchangePeer[] peers, bool addPeers)
    {
        if (WgToolPeer.ShowPresharedKeys(device) is not { } shown)
            return;
        bool mayStay = BootClock.Now < _keptUntil;
        foreach (KeyExchangePeer peer in peers)
        {
            ReadOnlySpan<byte> presharedKey = PresharedKeys.Find(shown.Span, peer.WireGuard!.PublicKey);
            if (presharedKey.IsEmpty && !addPeers)
                continue;
            PresharedKeyState state = _deliveries[peer].Check(presharedKey, mayStay);
            if (state == PresharedKeyState.Lost)
                Log.PresharedKeyLost(_log, peer.Id, device);
            else if (state == PresharedKeyState.Stale)
                Log.PresharedKeyStale(_log, peer.Id, device, _keyLifetime.TotalSeconds);
        }
        CryptographicOperations.ZeroMemory(shown.Span);
    }

    private ExchangeFolder? FolderOf(KeyExchangePeer peer) =>
        _runDirectory is not null && peer.WireGuard is { } wireGuard ? new ExchangeFolder(_runDirectory, wireGuard.Interface) : null;

    /// <summary>Records the time of the last exchange with a peer. A failure is logged once and otherwise ignored: keys matter more.</summary>
    private void Record(KeyExchangePeer peer, Instant? lastExchange)
    {
        if (_recordingFailed || _stop.IsSet || FolderOf(peer) is not { } folder)
            return;
        try
        {
            folder.Write(peer.WireGuard!.PublicKey, lastExchange);
        }
        catch (Exception e) when (e is LinuxException or IOException or UnauthorizedAccessException)
        {
            _recordingFailed = true;
            Log.ExchangeNotRecorded(_log, e.Message);
        }
    }
}
