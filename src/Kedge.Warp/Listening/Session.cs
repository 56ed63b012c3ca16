using Kedge.Linux.Quic;

namespace Kedge.Warp.Listening;

/// <summary>A connection of somebody with a valid certificate, from its handshake on. Belongs to the loop's thread.</summary>
internal sealed class Session(QuicConnection connection, string uid)
{
    /// <summary>The connection.</summary>
    public QuicConnection Connection => connection;

    /// <summary>The common name of its certificate.</summary>
    public string Uid => uid;

    /// <summary>The stream that it has registered on; null if it has not, or speaks a protocol that has none.</summary>
    public QuicStream? Registration { get; set; }

    /// <summary>Whether it was let in.</summary>
    public bool IsAdmitted { get; set; }

    /// <summary>Whether it waits for an earlier connection of its uid to answer.</summary>
    public bool IsWaiting { get; set; }

    /// <summary>Since when it is let in.</summary>
    public DateTimeOffset Since { get; set; }

    /// <summary>Callers that wait for the connector to allow more streams.</summary>
    public Queue<(PublishedPort Port, TcpConnection Caller)> Waiting { get; } = new();

    /// <summary>Connections that go through it.</summary>
    public int Calls { get; set; }
}

/// <summary>A caller's connection, as the tag of its stream.</summary>
internal sealed class Call(PublishedPort port, Session session)
{
    /// <summary>The port that it came to.</summary>
    public PublishedPort Port => port;

    /// <summary>The connector that it goes through.</summary>
    public Session Session => session;

    /// <summary>Whether the target was reached, as far as the protocol tells.</summary>
    public bool IsConnected { get; set; }
}
