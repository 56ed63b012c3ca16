using Kedge.Crypto;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.Paths;

/// <summary>
/// What a device does with probes that are genuine, replayed, reflected or forged, with introductions and offers of relays, also by frames,
/// and with time: it uses no endpoint that has not answered and no relay that may not be one, and sends no more than its budgets allow.
/// </summary>
public sealed class PathTarget : Target
{
    private const int StepSize = 3;

    private static readonly Endpoint[] Places = [.. Enumerable.Range(1, 16).Select(i => new Endpoint(IpAddress.IPv4(0xCB_00_71_00 + (uint)i), 7000))];

    public override string Name => "paths";

    public override int MaximumLength => 300;

    public override int ShortRun => 1_000;

    /// <summary>The input is a row of steps: what happens, where, and a number that says how.</summary>
    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var random = new Random(1);
        using WireGuardDevice device = NewDevice(random), other = NewDevice(random);
        using var paths = new PathProtocol(random.NextBytes, () => { }, new AllowedIps<PeerTunnel>());
        using var others = new PathProtocol(random.NextBytes, () => { }, new AllowedIps<PeerTunnel>());
        PeerTunnel peer = Connect(device, paths, other), self = Connect(other, others, device);
        var now = new Instant(TimeSpan.TicksPerMinute);
        Instant start = now;
        byte[] buffer = new byte[1500], reply = new byte[1280];
        List<byte[]> seen = [];
        Dictionary<Endpoint, byte[]> pings = [];
        HashSet<Endpoint> answered = [];
        for (; input.Length >= StepSize; input = input[StepSize..])
        {
            Endpoint place = Places[input[1] % Places.Length];
            byte argument = input[2];
            trace.Note(input[0] % 7, (int)(paths.Find(peer.PublicKey)?.State ?? 0));
            switch (input[0] % 7)
            {
                case 0:
                    now += TimeSpan.FromMilliseconds(10 * argument);
                    break;
                case 1:
                    peer.PathFinder!.Want();
                    break;
                case 2:
                    paths.Introduced(now, peer.PublicKey, [new PeerEndpoint(place, (PeerEndpointKind)(argument % 4))], (argument & 64) != 0);
                    break;
                case 3 when pings.TryGetValue(place, out byte[]? ping):
                    // The peer is there, and answers.
                    ControlOutcome pong = others.Receive(now, [.. ping], Places[0], default, reply);
                    if (!pong.Sends)
                        break;
                    byte[] answer = reply[..pong.Outcome.Length];
                    seen.Add(answer);
                    answered.Add(place);
                    paths.Receive(now, [.. answer], place, default, buffer);
                    break;
                case 4 when seen.Count > 0:
                    // Somebody else sends what he has seen, perhaps changed.
                    byte[] replay = [.. seen[argument % seen.Count]];
                    if ((input[1] & 128) != 0)
                        replay[input[1] % replay.Length] ^= (byte)(argument | 1);
                    if (paths.Check(replay, place) == DropReason.None)
                        paths.Receive(now, replay, place, default, buffer);
                    break;
                case 5:
                    self.PathFinder!.Want();
                    others.Offer(now, device.Identity!.PublicKey, [new PeerEndpoint(place, PeerEndpointKind.Fixed)]);
                    if (others.Poll(now, buffer) is { Sends: true } genuine)
                    {
                        seen.Add(buffer[..genuine.Outcome.Length]);
                        paths.Receive(now, [.. seen[^1]], place, default, reply);
                    }
                    break;
            }
            if (input[0] % 7 == 6)
            {
                byte[] frame = new IntroductionFrame(
                    peer.PublicKey, [new PeerEndpoint(place, (PeerEndpointKind)(argument % 4))], (argument & 64) != 0, IsPassedOn: true).ToArray();
                if ((argument & 32) != 0)
                    frame = new RelayFrame((RelayFrameKind)(input[1] % 7), peer.PublicKey, Out: argument, In: argument).ToArray();
                if ((input[1] & 128) != 0)
                    frame[input[1] % frame.Length] ^= (byte)(argument | 1);
                peer.PathFinder!.TakeFrame(frame);
            }
            for (int sent = 0; paths.Poll(now, buffer) is { Sends: true } outcome; sent++)
            {
                Invariant.Holds(sent < 1000, "few pings are due at once");
                pings[outcome.Remote] = buffer[..outcome.Outcome.Length];
                seen.Add(pings[outcome.Remote]);
            }
            Invariant.Holds(peer.Path?.Relay is null, "nobody relays who may not");
            Invariant.Holds(paths.Switch.Pairs == 0, "who is no relay passes nothing on");
            Invariant.Holds(peer.Path is not { } path || answered.Contains(path.Remote), "no endpoint is used that has not answered");
            double seconds = (now - start).TotalSeconds;
            Invariant.Holds(paths.Pings <= PathProtocol.PingsPerSecond * (1 + seconds), "pings are bounded");
        }
    }

    private static WireGuardDevice NewDevice(Random random)
    {
        var device = new WireGuardDevice(Timing.Default, bytes => random.NextBytes(bytes), () => { });
        byte[] key = new byte[X25519.KeySize];
        random.NextBytes(key);
        device.SetIdentity(new LocalIdentity(key), new TimestampSource(default, _ => { }));
        return device;
    }

    private static PeerTunnel Connect(WireGuardDevice device, PathProtocol paths, WireGuardDevice to)
    {
        PeerTunnel peer = device.AddPeer(to.Identity!.PublicKey);
        paths.Add(new Instant(TimeSpan.TicksPerMinute), peer, ProbeKeys.Derive(device, peer)!);
        return peer;
    }
}
