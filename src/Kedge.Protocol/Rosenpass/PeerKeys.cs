using System.Security.Cryptography;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// What handshakes with a peer are made with. Immutable, so that jobs read it on any thread; the peer zeroes the PSK at its end.
/// </summary>
internal sealed class PeerKeys : IDisposable
{
    private readonly byte[] _presharedKey = GC.AllocateArray<byte>(KeyedHashes.Size, pinned: true);

    /// <summary>Copies what a peer's settings say.</summary>
    /// <exception cref="ArgumentException">The PSK has neither 32 bytes nor none, or the public key has not the dialect's size.</exception>
    public PeerKeys(RosenpassPeerSettings settings)
    {
        if (settings.PresharedKey.Length is not (0 or KeyedHashes.Size))
            throw new ArgumentException($"A pre-shared key has 32 bytes, not {settings.PresharedKey.Length}.", nameof(settings));
        int size = settings.Dialect.StaticKem.PublicKeySize;
        if (settings.PublicKey.Bytes.Length != size)
            throw new ArgumentException($"A public key has {size} bytes, not {settings.PublicKey.Bytes.Length}.", nameof(settings));
        settings.PresharedKey.Span.CopyTo(_presharedKey);
        PublicKey = settings.PublicKey;
        Dialect = settings.Dialect;
        OutputKeyDomain = settings.OutputKeyLabels is { Count: > 0 } labels
            ? Dialect.Domains.OutputKey(labels)
            : Dialect.Domains.WireGuardPsk;
    }

    /// <summary>The peer's static key.</summary>
    public StaticPublicKey PublicKey { get; }

    /// <summary>What the peer speaks.</summary>
    public RosenpassDialect Dialect { get; }

    /// <summary>32 bytes; zeros for none.</summary>
    public ReadOnlySpan<byte> PresharedKey => _presharedKey;

    /// <summary>What the output key is for, 32 bytes.</summary>
    public byte[] OutputKeyDomain { get; }

    /// <summary>Zeroes the PSK.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_presharedKey);
}
