using System.Security.Cryptography;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// Expensive work on static keys, some milliseconds. It carries all that it needs: <see cref="Execute"/> runs once, on any thread, beside
/// others; then <see cref="RosenpassExchange.Complete"/> takes it back on the exchange's thread and disposes it. Every job that was handed
/// out must come back, because it holds one of a bounded number of places.
/// </summary>
public abstract class RosenpassJob : IDisposable
{
    private bool _executed;

    private protected RosenpassJob()
    {
    }

    /// <summary>Does the work. Throws nothing that bytes from the network could cause.</summary>
    /// <exception cref="InvalidOperationException">It was done before.</exception>
    public void Execute()
    {
        if (_executed)
            throw new InvalidOperationException("A job is executed once.");
        _executed = true;
        try
        {
            Work();
        }
        catch (CryptographicException)
        {
            // A key from elsewhere is none: there is no result, as with a message that is not authentic.
        }
    }

    /// <summary>Zeroes what the work has left.</summary>
    public abstract void Dispose();

    private protected abstract void Work();
}

/// <summary>Starts a handshake.</summary>
internal sealed class InitHelloJob(StaticKeyPair own, RosenpassPeer peer, uint sidi) : RosenpassJob
{
    private InitiatorHandshake? _handshake;

    /// <summary>With whom.</summary>
    public RosenpassPeer Peer => peer;

    /// <summary>Takes the handshake, which the caller disposes; null when the peer's public key is none.</summary>
    public InitiatorHandshake? TakeHandshake()
    {
        InitiatorHandshake? taken = _handshake;
        _handshake = null;
        return taken;
    }

    public override void Dispose() => _handshake?.Dispose();

    private protected override void Work() => _handshake = InitiatorHandshake.Start(own, peer.Keys, sidi);
}

/// <summary>Reads an <see cref="InitHello"/> and begins the answer.</summary>
internal sealed class RespHelloJob(
    StaticKeyPair own,
    IReadOnlyDictionary<PeerId, RosenpassPeer> peers,
    RosenpassDialect dialect,
    byte[] message,
    Endpoint source,
    uint sidr)
    : RosenpassJob
{
    private readonly byte[] _answer = new byte[dialect.RespHelloSize];

    /// <summary>Where the message came from.</summary>
    public Endpoint Source => source;

    /// <summary>Whether the source was no peer's when the message came, so that it holds a stranger's place.</summary>
    public required bool IsStranger { get; init; }

    /// <summary>The sender; null when the message is not authentic.</summary>
    public RosenpassPeer? Peer { get; private set; }

    /// <summary>Why there is no sender.</summary>
    public RosenpassDropReason Reason { get; private set; }

    /// <summary>The chaining key, up to the biscuit.</summary>
    public ChainingKey ChainingKey { get; } = new(dialect.Domains);

    /// <summary>The answer, up to the biscuit.</summary>
    public RespHello Answer => new(dialect, _answer);

    public override void Dispose() => ChainingKey.Dispose();

    private protected override void Work()
    {
        Reason = RosenpassDropReason.NotAuthentic;
        var hello = new InitHello(dialect, message);
        RosenpassPeer? sender = ResponderHandshake.TryRead(own, peers, hello, dialect, ChainingKey, out RosenpassDropReason reason);
        if (sender is not null)
            ResponderHandshake.Encapsulate(sender.Keys, hello, sidr, ChainingKey, Answer);
        (Peer, Reason) = (sender, reason);
    }
}

/// <summary>Reads a <see cref="RespHello"/>.</summary>
internal sealed class InitConfJob(StaticKeyPair own, RosenpassPeer peer, InitiatorHandshake handshake, byte[] message, Endpoint source)
    : RosenpassJob
{
    /// <summary>Whose answer it is.</summary>
    public RosenpassPeer Peer => peer;

    /// <summary>The handshake that it belongs to.</summary>
    public InitiatorHandshake Handshake => handshake;

    /// <summary>Where it came from.</summary>
    public Endpoint Source => source;

    /// <summary>The message.</summary>
    public RespHello Message => new(peer.Keys.Dialect, message);

    /// <summary>The chaining key; null when the message is not authentic.</summary>
    public ChainingKey? ChainingKey { get; private set; }

    public override void Dispose() => ChainingKey?.Dispose();

    private protected override void Work() => ChainingKey = handshake.TryRead(own, Message);
}
