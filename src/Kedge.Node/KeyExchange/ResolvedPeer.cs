using System.Net.Sockets;
using Kedge.Linux;
using Kedge.Node.Connecting;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.KeyExchange;

/// <summary>
/// A peer whose endpoint has a name, and what stands behind that: asked again when the peer does not answer, and as often as keys are
/// renewed. While there is no key, the addresses of a name take turns. Owned by the exchange's thread; the answer comes to another one.
/// </summary>
/// <param name="name">The name.</param>
/// <param name="peer">The peer.</param>
/// <param name="exchange">Is told the endpoint.</param>
/// <param name="log">Where it is told that there is none.</param>
internal sealed class ResolvedPeer(EndpointName name, RosenpassPeer peer, RosenpassExchange exchange, ILogger log)
{
    private static readonly TimeSpan IntervalWithoutKey = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan IntervalWithKey = TimeSpan.FromSeconds(120);

    private bool _isAsking;
    private bool _isMissing;

    /// <summary>When the name is to be resolved.</summary>
    public Instant ResolveAt { get; private set; } = new(long.MinValue);

    /// <summary>When <see cref="Poll"/> has something to do.</summary>
    public Instant NextDeadline => _isAsking ? Instant.Never : ResolveAt;

    /// <summary>Resolves the name if it is time.</summary>
    /// <param name="now">The time.</param>
    /// <param name="requests">Takes what is to be done on the exchange's thread.</param>
    /// <param name="ending">Ends the question.</param>
    public void Poll(Instant now, RequestQueue requests, CancellationToken ending)
    {
        if (_isAsking || now < ResolveAt)
            return;
        _isAsking = true;
        _ = Task.Run(() => ResolveAsync(requests, ending), ending);
    }

    /// <summary>Takes note that the peer's key has become stale: it may be elsewhere.</summary>
    public void Hurry(Instant now) => ResolveAt = now;

    private async Task ResolveAsync(RequestQueue requests, CancellationToken ending)
    {
        try
        {
            Endpoint[] found = await name.ResolveAsync(ending);
            requests.Post(() => Use(found));
        }
        catch (Exception e) when (e is SocketException or LinuxException)
        {
            requests.Post(() => Miss(e.Message));
        }
        catch (OperationCanceledException)
        {
            // It ends.
        }
    }

    private void Use(Endpoint[] found)
    {
        _isMissing = false;
        int current = Array.IndexOf(found, peer.ConfiguredEndpoint);
        if (current < 0 || peer.Exchanged is null)
            exchange.SetEndpoint(peer, found[(current + 1) % found.Length]);
        AskAgain();
    }

    private void Miss(string reason)
    {
        if (!_isMissing)
            Log.EndpointUnknown(log, peer.Id, $"{name}", reason);
        _isMissing = true;
        AskAgain();
    }

    private void AskAgain()
    {
        _isAsking = false;
        ResolveAt = BootClock.Now + (peer.Exchanged is null ? IntervalWithoutKey : IntervalWithKey);
    }
}
