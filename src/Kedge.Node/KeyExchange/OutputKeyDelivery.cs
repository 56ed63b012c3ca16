using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Linux.Processes;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.KeyExchange;

/// <summary>What a device has in place of the last key of a peer.</summary>
internal enum PresharedKeyState
{
    /// <summary>The key, a key from before this process that may still be good, or none yet.</summary>
    Good,

    /// <summary>Another key, or none.</summary>
    Lost,

    /// <summary>A key from before this process that is too old.</summary>
    Stale,
}

/// <summary>
/// Delivers the output keys of one peer to a file, to WireGuard as PSKs, and to a program. Any of them may be slow, so a delivery has a
/// thread of its own, for as long as there is something to deliver. It holds one key: a newer key replaces one that is waiting. A failed
/// delivery is retried until there is a newer key. Members are for any thread.
/// </summary>
/// <param name="peer">The peer.</param>
/// <param name="recordExchange">Records the time of the last exchange.</param>
/// <param name="output">Receives a line for each key that is written to a file, in the format of <c>rosenpass</c>.</param>
/// <param name="log">Receives failures.</param>
internal sealed class OutputKeyDelivery(KeyExchangePeer peer, Action<Instant> recordExchange, Action<string> output, ILogger log)
{
    private const int MaximumLogged = 4;

    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(2);

    private readonly object _gate = new(); // a Monitor, because the thread waits on it
    private readonly byte[] _key = GC.AllocateArray<byte>(RosenpassExchange.OutputKeySize, pinned: true);
    private readonly HashSet<string> _logged = [];
    private OutputKeyReason _reason;
    private Instant _time;
    private long _version; // 0: there was no key yet
    private long _loggedVersion;
    private Destinations _open;
    private bool _isKept;
    private volatile bool _stopping;
    private Thread? _thread;

    /// <summary>Where a key has yet to be delivered.</summary>
    [Flags]
    private enum Destinations
    {
        None = 0,
        File = 1,
        WireGuard = 2,
        Command = 4,
    }

    /// <summary>Delivers a key.</summary>
    /// <param name="reason">Why the key changes.</param>
    /// <param name="key">The key, 32 bytes; copied.</param>
    public void Post(OutputKeyReason reason, ReadOnlySpan<byte> key)
    {
        lock (_gate)
        {
            if (_stopping)
                return;
            key.CopyTo(_key);
            _isKept = peer.WireGuard is WgToolPeer;
            Begin(reason, (peer.KeyFile is null ? Destinations.None : Destinations.File)
                | (peer.WireGuard is null ? Destinations.None : Destinations.WireGuard)
                | (reason == OutputKeyReason.Exchanged && peer.ExchangeCommand.Count > 0 ? Destinations.Command : Destinations.None));
        }
    }

    /// <summary>Sets a random key, for WireGuard only, to stand in until the first exchange.</summary>
    public void PostRandom()
    {
        lock (_gate)
        {
            if (_stopping)
                return;
            RandomNumberGenerator.Fill(_key);
            _isKept = true;
            Begin(OutputKeyReason.None, Destinations.WireGuard);
        }
    }

    /// <summary>
    /// Compares the last key with the PSK that a device has, and delivers it again if the device has lost it. Before the first exchange, a
    /// PSK that may still be good stays, and one that is missing or stale is replaced by a random one.
    /// </summary>
    /// <param name="presharedKey">The PSK in base64, or <c>(none)</c>; empty if the device does not have the peer.</param>
    /// <param name="mayStay">Whether a PSK that was there before this process may still be good.</param>
    public PresharedKeyState Check(ReadOnlySpan<byte> presharedKey, bool mayStay)
    {
        bool hasKey = !presharedKey.IsEmpty && !presharedKey.SequenceEqual("(none)"u8);
        lock (_gate)
        {
            if (_open != Destinations.None)
                return PresharedKeyState.Good;
            if (_version == 0)
            {
                if (hasKey && mayStay)
                    return PresharedKeyState.Good;
                PostRandom();
                return hasKey ? PresharedKeyState.Stale : PresharedKeyState.Good;
            }
            if (IsCurrent(presharedKey))
                return PresharedKeyState.Good;
            _open = Destinations.WireGuard;
            Start();
            return PresharedKeyState.Lost;
        }
    }

    /// <summary>Stops after what is being delivered, and zeroes the key.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            _stopping = true;
            CryptographicOperations.ZeroMemory(_key);
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits until nothing is being delivered.</summary>
    /// <returns>False if that takes longer.</returns>
    public bool Wait(TimeSpan timeout)
    {
        Thread? thread;
        lock (_gate)
            thread = _thread;
        return thread?.Join(timeout) ?? true;
    }

    private void Begin(OutputKeyReason reason, Destinations destinations)
    {
        _reason = reason;
        _time = BootClock.Now;
        _version++;
        _open = destinations;
        Start();
        Monitor.PulseAll(_gate);
    }

    private void Start()
    {
        if (_thread is not null || _stopping)
            return;
        _thread = DedicatedThread.Start("output key", Run, Fail);
    }

    private void Fail(Exception exception)
    {
        Log.OutputKeyNotDelivered(log, peer.Id, exception);
        lock (_gate)
            _thread = null; // The next key starts another.
    }

    private void Run()
    {
        Span<byte> key = stackalloc byte[RosenpassExchange.OutputKeySize];
        while (true)
        {
            long version;
            Round round;
            lock (_gate)
            {
                if (_open == Destinations.None || _stopping)
                {
                    _thread = null;
                    break;
                }
                (version, round) = (_version, new Round(_reason, _time, _open));
                _key.CopyTo(key);
            }
            if (_loggedVersion != version)
                _logged.Clear();
            _loggedVersion = version;
            Destinations left = Deliver(round, key);
            lock (_gate)
            {
                if (_version != version)
                    continue;
                _open = left;
                if (left == Destinations.None && !_isKept)
                    CryptographicOperations.ZeroMemory(_key);
                if (left != Destinations.None && !_stopping)
                    Monitor.Wait(_gate, RetryInterval);
            }
        }
        CryptographicOperations.ZeroMemory(key);
    }

    /// <summary>Delivers a key, and returns the destinations where that failed. Begins nothing more once it is stopped.</summary>
    private Destinations Deliver(Round round, ReadOnlySpan<byte> key)
    {
        Destinations left = round.Open;
        try
        {
            if (round.Open.HasFlag(Destinations.WireGuard) && TrySetPresharedKey(round, key))
                left &= ~Destinations.WireGuard;
            if (!_stopping && round.Open.HasFlag(Destinations.File) && TryWrite(round.Reason, peer.KeyFile!, key))
                left &= ~Destinations.File;
            if (!_stopping && round.Open.HasFlag(Destinations.Command))
                RunCommand();
            left &= ~Destinations.Command;
        }
        catch (Exception e)
        {
            // A defect in one delivery must not end the process, and with it everybody's keys.
            Log.OutputKeyNotDelivered(log, peer.Id, e);
        }
        return left;
    }

    private bool TrySetPresharedKey(Round round, ReadOnlySpan<byte> key)
    {
        try
        {
            if (round.Reason == OutputKeyReason.None)
                peer.WireGuard!.SetPresharedKeyAlone(key);
            else
                peer.WireGuard!.SetPresharedKey(key);
        }
        catch (UserError e)
        {
            if (IsNew(e.Message))
                Log.PresharedKeyNotSet(log, peer.Id, e.Message);
            return false;
        }
        if (round.Reason == OutputKeyReason.Exchanged)
            recordExchange(round.Time);
        return true;
    }

    private bool TryWrite(OutputKeyReason reason, string path, ReadOnlySpan<byte> key)
    {
        Span<byte> text = stackalloc byte[RosenpassKeyFile.Base64Size];
        RosenpassKeyFile.WriteOutputKey(key, text);
        try
        {
            OutputFile.Write(path, text);
        }
        catch (LinuxException e)
        {
            if (IsNew(e.Message))
                Log.OutputKeyNotWritten(log, peer.Id, e.Message);
            return false;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
        string quoted = path.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
        string word = reason == OutputKeyReason.Stale ? "stale" : "exchanged";
        output($"output-key peer {peer.Id} key-file \"{quoted}\" {word}");
        return true;
    }

    private void RunCommand()
    {
        try
        {
            ProgramResult result = ExternalProgram.Run(peer.ExchangeCommand);
            if (!result.Succeeded)
                Log.ExchangeCommandFailed(log, peer.Id, $"'{string.Join(' ', peer.ExchangeCommand)}' {result.Failure}");
        }
        catch (LinuxException e)
        {
            Log.ExchangeCommandFailed(log, peer.Id, e.Message);
        }
    }

    /// <summary>Whether a failure is not logged yet for this key.</summary>
    private bool IsNew(string failure) => _logged.Count < MaximumLogged && _logged.Add(failure);

    private bool IsCurrent(ReadOnlySpan<byte> presharedKey)
    {
        Span<byte> text = stackalloc byte[RosenpassKeyFile.Base64Size];
        RosenpassKeyFile.WriteOutputKey(_key, text);
        bool isCurrent = CryptographicOperations.FixedTimeEquals(presharedKey, text);
        CryptographicOperations.ZeroMemory(text);
        return isCurrent;
    }

    /// <summary>One attempt to deliver a key.</summary>
    private readonly record struct Round(OutputKeyReason Reason, Instant Time, Destinations Open);
}
