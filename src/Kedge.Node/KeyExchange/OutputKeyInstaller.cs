using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Linux.Processes;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.KeyExchange;

/// <summary>
/// Delivers output keys to files, to WireGuard as PSKs, and to programs. Delivery may be slow, so it has a thread of its own and holds one
/// key per peer: a newer key replaces one that is waiting. A failed delivery is retried until there is a newer key. A WireGuard device that
/// was restarted or reconfigured has lost its PSKs and could not reach its peers until the next exchange, so devices are checked every few
/// seconds and given their PSKs back. Before the first exchange, a device keeps a PSK that it already has for as long as a key may live,
/// because an earlier process may have exchanged it; a peer without a PSK gets a random one.
/// </summary>
internal sealed class OutputKeyInstaller : IDisposable
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(2), CheckInterval = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly Dictionary<KeyExchangePeer, Slot> _slots;
    private readonly ILookup<string, KeyExchangePeer> _devices;
    private readonly TimeSpan _keyLifetime;
    private readonly string? _runDirectory;
    private readonly AutoResetEvent _changed = new(false);
    private readonly TextWriter _output;
    private readonly ILogger _log;
    private readonly Thread _thread;
    private Instant _keptUntil = Instant.Never;
    private volatile bool _stopping;
    private bool _recordingFailed;

    /// <summary>An installer that does nothing before <see cref="Start"/>.</summary>
    /// <param name="settings">The peers, and the folder that records their exchanges.</param>
    /// <param name="output">Receives a line for each key that is written to a file, in the format of <c>rosenpass</c>.</param>
    /// <param name="log">Receives failures.</param>
    public OutputKeyInstaller(KeyExchangeSettings settings, TextWriter output, ILogger log)
    {
        _slots = settings.Peers.ToDictionary(peer => peer, _ => new Slot());
        // A device that DevicePeer sets ends together with this process.
        _devices = _slots.Keys.Where(peer => peer.WireGuard is WgToolPeer).ToLookup(peer => peer.WireGuard!.Interface);
        _keyLifetime = settings.Timing.RejectAfterTime;
        _runDirectory = settings.RunDirectory;
        _output = output;
        _log = log;
        _thread = new Thread(Run) { Name = "output keys", IsBackground = true };
    }

    /// <summary>Sets a random PSK for each WireGuard peer that has none, and starts the thread.</summary>
    public void Start()
    {
        _keptUntil = BootClock.Now + _keyLifetime;
        foreach ((KeyExchangePeer peer, Slot slot) in _slots)
        {
            Record(peer, lastExchange: null);
            if (peer.WireGuard is not (null or WgToolPeer))
                slot.SetRandom();
        }
        CheckDevices(addPeers: true);
        InstallAll();
        _thread.Start();
    }

    /// <summary>Queues a key for delivery. Any thread.</summary>
    /// <param name="peer">The peer that the key is shared with.</param>
    /// <param name="reason">Why the key changes.</param>
    /// <param name="key">The key, 32 bytes; copied.</param>
    public void Post(KeyExchangePeer peer, OutputKeyReason reason, ReadOnlySpan<byte> key)
    {
        lock (_lock)
            _slots[peer].Set(reason, key, peer);
        _changed.Set();
    }

    /// <summary>Waits until the thread has finished its current delivery, ends it, and zeroes all keys.</summary>
    public void Dispose()
    {
        _stopping = true;
        _changed.Set();
        if (_thread.IsAlive)
            _thread.Join();
        foreach ((KeyExchangePeer peer, Slot slot) in _slots)
        {
            if (FolderOf(peer) is { } folder)
                folder.Delete(peer.WireGuard!.PublicKey);
            slot.Clear();
        }
        _changed.Dispose();
    }

    private void Run()
    {
        TimeSpan idle = _devices.Count > 0 ? CheckInterval : Timeout.InfiniteTimeSpan;
        Instant checkAt = BootClock.Now + CheckInterval;
        while (!_stopping)
        {
            _changed.WaitOne(InstallAll() ? idle : RetryInterval);
            if (_stopping || BootClock.Now < checkAt)
                continue;
            CheckDevices(addPeers: false);
            checkAt = BootClock.Now + CheckInterval;
        }
    }

    private void CheckDevices(bool addPeers)
    {
        foreach (IGrouping<string, KeyExchangePeer> device in _devices)
            Check(device.Key, device, addPeers);
    }

    /// <summary>
    /// Schedules the keys that a device has lost, and random ones for peers without a PSK before the first exchange. Skips a device that
    /// does not exist, and, unless <paramref name="addPeers"/>, a peer that the device does not have.
    /// </summary>
    private void Check(string device, IEnumerable<KeyExchangePeer> peers, bool addPeers)
    {
        if (WgToolPeer.ShowPresharedKeys(device) is not { } shown)
            return;
        foreach (KeyExchangePeer peer in peers)
        {
            Slot slot = _slots[peer];
            ReadOnlySpan<byte> presharedKey = PresharedKeys.Find(shown.Span, peer.WireGuard!.PublicKey);
            lock (_lock)
            {
                if (slot.Open != Destinations.None || (presharedKey.IsEmpty && !addPeers))
                    continue;
                if (slot.IsEmpty)
                {
                    CheckBeforeExchange(peer, slot, device, presharedKey);
                    continue;
                }
                if (!slot.IsAnother(presharedKey))
                    continue;
                slot.SetOpen(Destinations.WireGuard);
            }
            Log.PresharedKeyLost(_log, peer.Id, device);
        }
        CryptographicOperations.ZeroMemory(shown.Span);
    }

    /// <summary>Replaces a PSK that is missing or stale; one that may still be good stays. Under the lock.</summary>
    private void CheckBeforeExchange(KeyExchangePeer peer, Slot slot, string device, ReadOnlySpan<byte> presharedKey)
    {
        bool hasPresharedKey = !presharedKey.IsEmpty && !presharedKey.SequenceEqual("(none)"u8);
        if (hasPresharedKey && BootClock.Now < _keptUntil)
            return;
        slot.SetRandom();
        if (hasPresharedKey)
            Log.PresharedKeyStale(_log, peer.Id, device, _keyLifetime.TotalSeconds);
    }

    /// <summary>Delivers all waiting keys. Returns whether every delivery succeeded.</summary>
    private bool InstallAll()
    {
        bool isDone = true;
        Span<byte> key = stackalloc byte[RosenpassExchange.OutputKeySize];
        foreach ((KeyExchangePeer peer, Slot slot) in _slots)
        {
            OutputKeyReason reason;
            Destinations open;
            long version;
            Instant time;
            lock (_lock)
            {
                (reason, open, version, time) = (slot.Reason, slot.Open, slot.Version, slot.Time);
                if (open != Destinations.None)
                    slot.Key.CopyTo(key);
            }
            if (open == Destinations.None || _stopping)
                continue;
            Destinations left = Install(peer, slot, reason, open, key);
            if (reason == OutputKeyReason.Exchanged && open.HasFlag(Destinations.WireGuard) && !left.HasFlag(Destinations.WireGuard))
                Record(peer, time);
            lock (_lock)
            {
                if (slot.Version == version)
                    slot.SetOpen(left);
                isDone &= slot.Open == Destinations.None;
            }
        }
        CryptographicOperations.ZeroMemory(key);
        return isDone;
    }

    /// <summary>Delivers a key, and returns the destinations where that failed.</summary>
    private Destinations Install(KeyExchangePeer peer, Slot slot, OutputKeyReason reason, Destinations open, ReadOnlySpan<byte> key)
    {
        Destinations left = Destinations.None;
        if (open.HasFlag(Destinations.WireGuard) && !TrySetPresharedKey(peer, slot, reason, key))
            left |= Destinations.WireGuard;
        if (open.HasFlag(Destinations.File) && !TryWrite(peer, slot, reason, peer.KeyFile!, key))
            left |= Destinations.File;
        if (open.HasFlag(Destinations.Command))
            RunCommand(peer);
        return left;
    }

    private bool TryWrite(KeyExchangePeer peer, Slot slot, OutputKeyReason reason, string path, ReadOnlySpan<byte> key)
    {
        Span<byte> text = stackalloc byte[RosenpassKeyFile.Base64Size];
        RosenpassKeyFile.WriteOutputKey(key, text);
        try
        {
            PrivateFile.Write(path, text);
        }
        catch (LinuxException e)
        {
            if (slot.IsNews(e.Message))
                Log.OutputKeyNotWritten(_log, peer.Id, e.Message);
            return false;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
        string quoted = path.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
        string word = reason == OutputKeyReason.Stale ? "stale" : "exchanged";
        _output.WriteLine($"output-key peer {peer.Id} key-file \"{quoted}\" {word}");
        _output.Flush();
        return true;
    }

    private bool TrySetPresharedKey(KeyExchangePeer peer, Slot slot, OutputKeyReason reason, ReadOnlySpan<byte> key)
    {
        try
        {
            if (reason == OutputKeyReason.None)
                peer.WireGuard!.SetPresharedKeyAlone(key);
            else
                peer.WireGuard!.SetPresharedKey(key);
            return true;
        }
        catch (UserError e)
        {
            if (slot.IsNews(e.Message))
                Log.PresharedKeyNotSet(_log, peer.Id, e.Message);
            return false;
        }
    }

    private ExchangeFolder? FolderOf(KeyExchangePeer peer) =>
        _runDirectory is not null && peer.WireGuard is { } wireGuard ? new ExchangeFolder(_runDirectory, wireGuard.Interface) : null;

    /// <summary>Records the time of the last exchange with a peer. A failure is logged once and otherwise ignored: keys matter more.</summary>
    private void Record(KeyExchangePeer peer, Instant? lastExchange)
    {
        if (_recordingFailed || FolderOf(peer) is not { } folder)
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

    private void RunCommand(KeyExchangePeer peer)
    {
        try
        {
            ProgramResult result = ExternalProgram.Run(peer.ExchangeCommand);
            if (result.Succeeded)
                return;
            string failure = $"'{string.Join(' ', peer.ExchangeCommand)}' {result.Failure}";
            Log.ExchangeCommandFailed(_log, peer.Id, failure);
        }
        catch (LinuxException e)
        {
            Log.ExchangeCommandFailed(_log, peer.Id, e.Message);
        }
    }

    /// <summary>Where a key has yet to be delivered.</summary>
    [Flags]
    private enum Destinations
    {
        None = 0,
        File = 1,
        WireGuard = 2,
        Command = 4,
    }

    /// <summary>
    /// The last key of a peer: kept for as long as the process runs if it is a PSK, otherwise until it is delivered. Under the lock, except
    /// for <see cref="IsNews"/>.
    /// </summary>
    private sealed class Slot
    {
        private const int MaximumTold = 4;

        private readonly HashSet<string> _told = [];
        private long _toldVersion;
        private bool _isKept;

        private readonly byte[] _key = GC.AllocateArray<byte>(RosenpassExchange.OutputKeySize, pinned: true);

        public ReadOnlySpan<byte> Key => _key;

        public OutputKeyReason Reason { get; private set; }

        /// <summary>When the key came.</summary>
        public Instant Time { get; private set; }

        public Destinations Open { get; private set; }

        public long Version { get; private set; }

        /// <summary>Whether there was no key yet.</summary>
        public bool IsEmpty => Version == 0;

        public void Set(OutputKeyReason reason, ReadOnlySpan<byte> key, KeyExchangePeer peer)
        {
            key.CopyTo(_key);
            Reason = reason;
            Time = BootClock.Now;
            Version++;
            _isKept = peer.WireGuard is WgToolPeer;
            Open = (peer.KeyFile is null ? Destinations.None : Destinations.File)
                | (peer.WireGuard is null ? Destinations.None : Destinations.WireGuard)
                | (reason == OutputKeyReason.Exchanged && peer.ExchangeCommand.Count > 0 ? Destinations.Command : Destinations.None);
        }

        /// <summary>Sets a random key, for WireGuard only, to stand in until the first exchange.</summary>
        public void SetRandom()
        {
            RandomNumberGenerator.Fill(_key);
            Version++;
            (_isKept, Open) = (true, Destinations.WireGuard);
        }

        /// <summary>Sets where the key has yet to be delivered. Clears the key when it is delivered, unless it may have to be set again.</summary>
        public void SetOpen(Destinations open)
        {
            Open = open;
            if (open == Destinations.None && !_isKept)
                Clear();
        }

        /// <summary>Whether a key in base64 differs from this one.</summary>
        public bool IsAnother(ReadOnlySpan<byte> shown)
        {
            Span<byte> text = stackalloc byte[RosenpassKeyFile.Base64Size];
            RosenpassKeyFile.WriteOutputKey(_key, text);
            bool isAnother = !CryptographicOperations.FixedTimeEquals(shown, text);
            CryptographicOperations.ZeroMemory(text);
            return isAnother;
        }

        /// <summary>Whether a failure is new for this key, and so worth logging. Only the installer's thread.</summary>
        public bool IsNews(string failure)
        {
            if (_toldVersion != Version)
                _told.Clear();
            _toldVersion = Version;
            return _told.Count < MaximumTold && _told.Add(failure);
        }

        public void Clear() => CryptographicOperations.ZeroMemory(_key);
    }
}
