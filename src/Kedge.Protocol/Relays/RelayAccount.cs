using System.Threading;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Relays;

/// <summary>What a relay does for one peer.</summary>
/// <param name="peer">The peer.</param>
internal sealed class RelayAccount(PeerTunnel peer)
{
    private long _bytes;

    /// <summary>The peer.</summary>
    public PeerTunnel Peer => peer;

    /// <summary>How many pairs it is in. The control thread.</summary>
    public int Pairs { get; set; }

    /// <summary>Bytes of datagrams that it has sent and that were passed on, headers included. Any thread.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Counts a datagram that is passed on. Any thread.</summary>
    public void Add(int bytes) => Interlocked.Add(ref _bytes, bytes);
}
