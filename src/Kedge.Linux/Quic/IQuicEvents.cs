namespace Kedge.Linux.Quic;

/// <summary>What an end of QUIC connections is told, on the thread of its loop. Nothing here may throw or block.</summary>
public interface IQuicEvents
{
    /// <summary>Whether the peer is who it must be: judges the certificates that it shows.</summary>
    /// <param name="connection">The connection, whose handshake is under way.</param>
    /// <param name="certificates">DER, the peer's own first; none if it shows none.</param>
    bool Verify(QuicConnection connection, IReadOnlyList<byte[]> certificates);

    /// <summary>The handshake is complete, as this end sees it.</summary>
    void OnConnected(QuicConnection connection);

    /// <summary>The peer has opened a stream.</summary>
    void OnStream(QuicStream stream);

    /// <summary>A stream that is not joined to a socket has more bytes, or its end.</summary>
    void OnReceived(QuicStream stream);

    /// <summary>A stream is over.</summary>
    void OnStreamEnded(QuicStream stream);

    /// <summary>More streams may be opened, after there were none left.</summary>
    void OnStreamsAllowed(QuicConnection connection);

    /// <summary>The connection is over, and every stream of it; not told of one that was closed by this end.</summary>
    void OnClosed(QuicConnection connection, QuicEnd end);
}

/// <summary>How a connection ended.</summary>
public enum QuicEndKind
{
    /// <summary>The peer has closed it, with a code of the application.</summary>
    ClosedByPeer,

    /// <summary>The peer's library has closed it, with a code of QUIC.</summary>
    FailedAtPeer,

    /// <summary>This end's library has given up.</summary>
    FailedHere,

    /// <summary>The peer was silent for too long.</summary>
    Silent,

    /// <summary>The peer does not know the connection: it was restarted.</summary>
    Forgotten,
}

/// <summary>How a connection ended, and why.</summary>
/// <param name="Kind">How.</param>
/// <param name="Code">The code that came with it; of TLS, 256 and the alert's number.</param>
/// <param name="Reason">What the peer or the library says, which may be anything.</param>
public readonly record struct QuicEnd(QuicEndKind Kind, ulong Code, string Reason);
