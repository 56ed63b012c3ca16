namespace Kedge.Protocol.WireGuard;

/// <summary>
/// Finds out where a peer can be reached, in place of WireGuard's roaming: a <see cref="PeerTunnel"/> that has one sends nothing, handshakes
/// included, before it has been given a path. Any thread calls its members; they return at once and allocate nothing in the long run.
/// </summary>
public interface IPathFinder
{
    /// <summary>Packets or a handshake wait for a path.</summary>
    void Want();

    /// <summary>Traffic has begun after <see cref="PeerTunnel.AwaitTraffic"/>.</summary>
    void TrafficBegan();

    /// <summary>An authentic datagram came from elsewhere than the path, or from there when there was no path, which has been set then.</summary>
    /// <param name="path">Where it came from, and where it arrived.</param>
    void HeardFrom(PeerPath path);

    /// <summary>A frame for the device itself has come from the peer: what is in a transport message and no IP packet.</summary>
    /// <param name="frame">The frame with its padding, at least one byte; valid for the call.</param>
    void TakeFrame(ReadOnlySpan<byte> frame);
}
