using System.Collections.Concurrent;
using System.Threading;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <content>What other threads have to say, and how it is taken.</content>
public sealed partial class PathFinder
{
    private const int MaximumFrames = 8; // that wait
    private const int MaximumFrame = 512;
    private const int MaximumForeign = 32;
    private const int Padding = 15;
    private static readonly Rate FrameRate = new(Burst: 40, TimeSpan.FromMilliseconds(50));
    private static readonly Rate ForeignRate = new(Burst: 200, TimeSpan.FromMilliseconds(10));

    private readonly ConcurrentQueue<byte[]> _frames = new();
    private readonly ConcurrentQueue<byte[]> _foreign = new();
    private PeerPath? _heardFrom;
    private TokenBucket _frameBudget;
    private TokenBucket _foreignBudget;
    private int _isWanted;
    private int _trafficBegan;

    private bool HasSignals =>
        !_frames.IsEmpty
        || !_foreign.IsEmpty
        || _isRelayLost
        || Volatile.Read(ref _isWanted) != 0
        || Volatile.Read(ref _trafficBegan) != 0
        || Volatile.Read(ref _heardFrom) is not null;

    /// <inheritdoc/>
    public void Want()
    {
        if (Interlocked.Exchange(ref _isWanted, 1) == 0)
            _paths.Attend(this);
    }

    /// <inheritdoc/>
    public void TrafficBegan()
    {
        if (Interlocked.Exchange(ref _trafficBegan, 1) == 0)
            _paths.Attend(this);
    }

    /// <inheritdoc/>
    public void HeardFrom(PeerPath path)
    {
        if (Interlocked.Exchange(ref _heardFrom, path) is null)
            _paths.Attend(this);
    }

    /// <inheritdoc/>
    public void TakeFrame(ReadOnlySpan<byte> frame)
    {
        bool isForeign = frame[0] == ControlFrame.Discovery && _paths.TakesForeign;
        if (!isForeign && frame[0] is not (IntroductionFrame.Type or RelayFrame.Type))
            return;
        (ConcurrentQueue<byte[]> queue, int most, int longest) =
            isForeign ? (_foreign, MaximumForeign, ControlFrame.MaximumSize + Padding) : (_frames, MaximumFrames, MaximumFrame);
        if (frame.Length > longest || queue.Count >= most)
            return;
        queue.Enqueue(frame.ToArray());
        _paths.Attend(this);
    }

    private void TakeSignals(Instant now)
    {
        if (Interlocked.Exchange(ref _trafficBegan, 0) != 0)
            _awaitsTraffic = false;
        if (Interlocked.Exchange(ref _heardFrom, null) is { } path)
            TakeHeard(now, path);
        while (_frames.TryDequeue(out byte[]? frame))
        {
            if (!TokenBucket.TryTake(ref _frameBudget, now, FrameRate))
                continue;
            if (IntroductionFrame.TryRead(frame, out IntroductionFrame? introduction))
                _paths.TakeFrame(now, _peer.PublicKey, introduction);
            else if (RelayFrame.TryRead(frame, out RelayFrame relay))
                _paths.TakeRelayFrame(now, this, relay);
        }
        while (_foreign.TryDequeue(out byte[]? foreign))
            if (TokenBucket.TryTake(ref _foreignBudget, now, ForeignRate))
                _paths.TakeForeign(_peer.PublicKey, foreign);
        if (Interlocked.Exchange(ref _isWanted, 0) == 0)
            return;
        _wantedAt = now;
        if (State == PathState.Idle)
            Connect(now);
    }

    private void TakeHeard(Instant now, PeerPath path)
    {
        if (!_paths.Surroundings.IsUsable(path.Remote))
            return;
        Candidate candidate = _candidates.FindOrAdd(now, path.Remote, PeerEndpointKind.Heard);
        if (State == PathState.Relayed)
        {
            // That it reaches us directly does not mean yet that we reach it.
            if (!candidate.IsTrying(now))
                candidate.Begin(now, Candidate.Checking);
            return;
        }
        if (_candidates.Current is not { } current || _peer.Path is null || _peer.Path.Remote == path.Remote)
        {
            Use(now, candidate, path);
            return;
        }
        _heardAt = now;
        candidate.Begin(now, Candidate.Checking);
        current.Begin(now, Candidate.Checking, wantedPongs: 1);
    }
}
