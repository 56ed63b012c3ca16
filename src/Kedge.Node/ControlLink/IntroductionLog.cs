using System.Net;
using Kedge.Protocol.Api;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.ControlLink;

/// <summary>
/// What became of the introductions that a node has asked its controller for: how many there were, and of each peer why the last one was
/// refused. Any thread.
/// </summary>
public sealed class IntroductionLog
{
    private const int MaximumRefusals = 4096;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, string> _refusals = []; // by the peer's key, as it is written
    private long _passedOn, _refused;

    /// <summary>The controller has passed an introduction on.</summary>
    public void PassedOn(PublicKey peer)
    {
        lock (_lock)
        {
            _passedOn++;
            _refusals.Remove(peer.ToString());
        }
    }

    /// <summary>The controller could not be asked, or has refused to pass an introduction on.</summary>
    public void Refused(PublicKey peer, ControllerException why)
    {
        ArgumentNullException.ThrowIfNull(why);
        string key = peer.ToString();
        lock (_lock)
        {
            _refused++;
            if (_refusals.Count >= MaximumRefusals && !_refusals.ContainsKey(key))
                _refusals.Remove(_refusals.Keys.First());
            _refusals[key] = Explain(why);
        }
    }

    /// <summary>Completes what a control link tells.</summary>
    public LinkStatus AddTo(LinkStatus status)
    {
        ArgumentNullException.ThrowIfNull(status);
        lock (_lock)
        {
            return status with
            {
                Introductions = new IntroductionCounts(_passedOn, _refused),
                Peers = [.. status.Peers.Select(peer => peer with { IntroductionRefusal = _refusals.GetValueOrDefault(peer.PublicKey) })],
            };
        }
    }

    private static string Explain(ControllerException why) => why switch
    {
        { Reason: RefusalReason.PeerNotConnected } => "it is not connected to the controller",
        { Reason: RefusalReason.PeerUnknown } => "the controller has no active node of its identifier in the zone",
        { Reason: RefusalReason.TooManyRequests } => "too many introductions were asked for just before",
        { Status: HttpStatusCode.NotFound } => "the controller is of a version that introduces nobody",
        { Status: null } => $"the controller could not be asked: {why.Message}",
        _ => $"the controller refused it: {why.Message}",
    };
}
