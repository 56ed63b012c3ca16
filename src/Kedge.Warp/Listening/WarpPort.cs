using Kedge.Linux.Quic;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Warp;

namespace Kedge.Warp.Listening;

/// <summary>A port that was asked for.</summary>
/// <param name="Listen">The address and TCP port that callers connect to.</param>
/// <param name="Uid">The connector that its connections go to.</param>
/// <param name="Target">Where the connector connects them to.</param>
public sealed record WarpPort(Endpoint Listen, string Uid, WarpTarget Target);

/// <summary>A port and what it has carried. Belongs to the loop's thread.</summary>
internal sealed class PublishedPort(WarpPort port)
{
    /// <summary>What was asked for.</summary>
    public WarpPort Port => port;

    /// <summary>The open socket; null if it cannot be had now.</summary>
    public TcpAcceptor? Acceptor { get; set; }

    /// <summary>Why the port is not open; null if it is.</summary>
    public string? Failure { get; set; }

    /// <summary>Connections that are there now.</summary>
    public HashSet<QuicStream> Calls { get; } = [];

    /// <summary>Connections since the port was opened.</summary>
    public long Connections { get; set; }

    /// <summary>Connections that came to nothing, because no connector was there or the target was not reached.</summary>
    public long Failures { get; set; }

    /// <summary>Bytes that callers have sent, of connections that are over.</summary>
    public long BytesIn { get; set; }

    /// <summary>Bytes that callers were sent, of connections that are over.</summary>
    public long BytesOut { get; set; }
}

/// <summary>A port as it is now, for others to see.</summary>
/// <param name="Port">What was asked for.</param>
/// <param name="Failure">Why it is not open; null if it is.</param>
/// <param name="Calls">Connections that are there now.</param>
/// <param name="Connections">Connections since it was opened.</param>
/// <param name="Failures">Connections that came to nothing.</param>
/// <param name="BytesIn">Bytes that callers have sent.</param>
/// <param name="BytesOut">Bytes that callers were sent.</param>
public sealed record WarpPortStatus(WarpPort Port, string? Failure, int Calls, long Connections, long Failures, long BytesIn, long BytesOut);

/// <summary>A connector as it is now, for others to see.</summary>
/// <param name="Uid">Its uid.</param>
/// <param name="Remote">Where it was last heard from.</param>
/// <param name="Protocol">What it speaks.</param>
/// <param name="Since">Since when it is there.</param>
/// <param name="RoundTrip">The time to it and back.</param>
/// <param name="Calls">Connections that go through it now.</param>
public sealed record WarpConnectorStatus(string Uid, Endpoint Remote, string Protocol, DateTimeOffset Since, TimeSpan RoundTrip, int Calls);

/// <summary>How an attempt to open a port ended.</summary>
public enum OpeningResult
{
    /// <summary>It is open, and is kept on disk.</summary>
    Opened,

    /// <summary>No connector with this uid is there.</summary>
    UidUnknown,

    /// <summary>The system refuses the port.</summary>
    PortRefused,
}

/// <summary>How an attempt to open a port ended.</summary>
/// <param name="Result">How.</param>
/// <param name="Errno">Why the system refuses the port; 0 otherwise.</param>
/// <param name="Reason">The same in words; empty otherwise.</param>
/// <param name="Local">The address and port, where it is open.</param>
public sealed record Opening(OpeningResult Result, int Errno, string Reason, Endpoint Local);
