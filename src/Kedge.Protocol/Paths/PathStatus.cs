using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <summary>How far a device has got in reaching a peer.</summary>
public enum PathState
{
    /// <summary>There is no path, and nobody needs one.</summary>
    Idle,

    /// <summary>The peer's endpoints are being tried.</summary>
    Connecting,

    /// <summary>The peer is reached directly.</summary>
    Direct,

    /// <summary>No endpoint has answered; they are tried again later if somebody still sends.</summary>
    Waiting,

    /// <summary>The peer is reached by a relay; a direct path is looked for again from time to time.</summary>
    Relayed,
}

/// <summary>What came of trying an endpoint.</summary>
public enum CandidateResult
{
    /// <summary>It has not been tried.</summary>
    Untried,

    /// <summary>An answer is awaited.</summary>
    Trying,

    /// <summary>It has answered.</summary>
    Answered,

    /// <summary>It has not answered.</summary>
    Silent,
}

/// <summary>A peer's endpoint and what came of it.</summary>
/// <param name="Endpoint">The endpoint, and how it is known.</param>
/// <param name="Result">What came of trying it.</param>
/// <param name="Pings">How many pings were sent there in the last series.</param>
/// <param name="Pongs">How many of these have been answered.</param>
/// <param name="RoundTrip">The shortest of the last round trips; null unless it has answered.</param>
public readonly record struct CandidateStatus(PeerEndpoint Endpoint, CandidateResult Result, int Pings, int Pongs, TimeSpan? RoundTrip);

/// <summary>How a peer is reached, or why not.</summary>
/// <param name="State">How far the device has got.</param>
/// <param name="Since">Since when that is so.</param>
/// <param name="RoundTrip">The shortest of the path's last round trips; null if it is not known.</param>
/// <param name="Mtu">Bytes of the longest IP packet that the path carries, as far as one is needed; null if it is not known.</param>
/// <param name="Candidates">The peer's endpoints.</param>
public sealed record PathStatus(PathState State, Instant Since, TimeSpan? RoundTrip, int? Mtu, IReadOnlyList<CandidateStatus> Candidates)
{
    /// <summary>The relay by which the peer is reached; null for none.</summary>
    public PublicKey? Relay { get; init; }
}
