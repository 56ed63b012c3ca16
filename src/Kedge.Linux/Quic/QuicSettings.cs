namespace Kedge.Linux.Quic;

/// <summary>What an end of QUIC connections is told. Immutable.</summary>
public sealed record QuicSettings
{
    /// <summary>The names of the protocols that are spoken (ALPN), the preferred one first.</summary>
    public required IReadOnlyList<string> Protocols { get; init; }

    /// <summary>How many streams the peer may have open.</summary>
    public int MostPeerStreams { get; init; } = 16;

    /// <summary>32 bytes by which connections of an earlier run are told that they are over; null at a client.</summary>
    public byte[]? ResetKey { get; init; }

    /// <summary>How long a peer may be silent.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>After how long a silence the peer is asked whether it is there.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(1.5);

    /// <summary>How long a handshake may take.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How many connections there may be.</summary>
    public int MostConnections { get; init; } = 16_384;

    /// <summary>How many handshakes may be under way.</summary>
    public int MostHandshakes { get; init; } = 512;
}
