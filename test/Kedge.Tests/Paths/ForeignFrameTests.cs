using Kedge.Protocol.Paths;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Paths;

/// <summary>Frames that the paths only pass on.</summary>
public sealed class ForeignFrameTests : IDisposable
{
    private static readonly byte[] Frame = [ControlFrame.Discovery, 1, 2, 3, 4];

    private readonly PathWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Fact]
    public void A_frame_arrives_once_there_is_a_session()
    {
        (PathNode a, PathNode b) = AddPair();

        Exchange(a, b);

        Assert.Equal(PathState.Direct, a.Paths.Find(b.Key)!.State);
    }

    [Fact]
    public void A_frame_goes_by_a_relay()
    {
        (PathNode a, PathNode b, _) = _world.AddApart();
        (a.Paths.TakesForeign, b.Paths.TakesForeign) = (true, true);

        Exchange(a, b);

        Assert.Equal(PathState.Relayed, a.Paths.Find(b.Key)!.State);
    }

    [Fact]
    public void Whoever_does_not_ask_for_frames_gets_none()
    {
        (PathNode a, PathNode b) = AddPair();
        b.Paths.TakesForeign = false;
        for (int i = 0; i < 10; i++)
        {
            a.Paths.Send(b.Key, Frame);
            _world.Run(TimeSpan.FromMilliseconds(500));
        }

        Assert.False(b.Paths.TryTakeFrame(out _, out _));
        Assert.False(b.Paths.TryTakeReached(out _, out _));
    }

    [Fact]
    public void A_flood_of_frames_is_held_to_a_rate()
    {
        (PathNode a, PathNode b) = AddPair();
        Exchange(a, b);
        int arrived = 0;
        for (int i = 0; i < 1000; i++)
        {
            for (int j = 0; j < 4; j++)
                a.Paths.Send(b.Key, Frame);
            _world.Run(TimeSpan.FromMilliseconds(2));
            while (b.Paths.TryTakeFrame(out _, out _))
                arrived++;
        }

        Assert.InRange(arrived, 300, 200 + 250); // the burst, and 100 a second for two seconds
    }

    private (PathNode A, PathNode B) AddPair()
    {
        PathNode a = _world.AddNode("a", "203.0.113.1:7000"), b = _world.AddNode("b", "203.0.113.2:7000");
        PathWorld.Connect(a, b);
        _world.Tell(a);
        _world.Tell(b);
        (a.Paths.TakesForeign, b.Paths.TakesForeign) = (true, true);
        _world.Run(TimeSpan.FromSeconds(1));
        return (a, b);
    }

    // Who sends a frame repeats it until it is answered.
    private void Exchange(PathNode a, PathNode b)
    {
        PublicKey from = default;
        byte[]? frame = null;
        for (int i = 0; i < 16 && frame is null; i++)
        {
            a.Paths.Send(b.Key, Frame);
            _world.Run(TimeSpan.FromMilliseconds(500));
            b.Paths.TryTakeFrame(out from, out frame);
        }
        Assert.Equal(a.Key, from);
        Assert.Equal(Frame, frame![..Frame.Length]);
        Assert.True(a.Paths.TryTakeReached(out PublicKey peer, out bool isReached) && isReached);
        Assert.Equal(b.Key, peer);
    }
}
