using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard.Tunnels;

/// <summary>
/// The tunnel's state machine: two or three devices to which an input does whatever users, administrators, networks, attackers and time can
/// do, in any order, while every step is held against a plain model. At the end the world is healed, and packets must pass between all
/// again.
/// <para>
/// The first byte is the kind of world: polled late, delivered by hand, three nodes, few messages a session. Each further byte is a
/// step: its low five bits say which, the upper three on which node; its arguments follow.
/// </para>
/// </summary>
public sealed class TunnelTarget : Target
{
    private static readonly Timing FewMessages = new() { RekeyAfterMessages = 6, RejectAfterMessages = 24 };
    private static readonly int[] Lengths = [TunnelPacket.MinimumLength, 32, 33, 100, 1280, 1420, 1421, 2048];
    private static readonly int[] Seconds = [0, 1, 5, 6, 10, 11, 15, 21, 25, 60, 90, 115, 120, 121, 165, 175, 180, 181, 300, 540, 541];
    private static readonly int[] Milliseconds = [1, 19, 20, 21, 333, 334, 999];
    private static readonly int[] Keepalives = [0, 5, 10, 25, 120, 65535];
    private static readonly IpPrefix[] WidePrefixes = [IpPrefix.Parse("10.0.0.0/24"), IpPrefix.Parse("0.0.0.0/0"), IpPrefix.Parse("10.0.0.2/31")];

    public override string Name => "tunnel";

    public override int MaximumLength => 400;

    public override int ShortRun => 120;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        byte kind = reader.Byte();
        Timing timing = (kind & 8) == 0 ? Timing.Default : FewMessages;
        using var world = new World((kind & 4) == 0 ? 2 : 3, timing, isPunctual: (kind & 1) == 0, deliversAtOnce: (kind & 2) == 0);
        int packets = 0;
        trace.Note(100, kind & 15);
        for (int steps = 0; !reader.IsEmpty && steps < 200; steps++)
        {
            byte step = reader.Byte();
            Node node = world.Nodes[(step >> 5) % world.Nodes.Count];
            world.Advance(TimeSpan.FromTicks(1));
            trace.Note(101, step & 31);
            Step(world, node, step & 31, ref reader, ref packets, trace);
            world.Settle();
        }
        foreach (Node node in world.Nodes)
            node.CheckAwaited();
        if ((kind & 16) == 0)
            Recover(world, ref packets);
    }

    private static void Step(World world, Node node, int step, ref Input reader, ref int packets, Trace trace)
    {
        switch (step)
        {
            case 0 or 1 or 2 or 3:
                Send(world, node, ref reader, ref packets, count: step == 3 ? 1 + reader.Byte() : 1);
                break;
            case 4 or 5 or 6:
                Note(trace, world.Take(step == 4 ? 0 : reader.Byte()) is { } flight ? world.Deliver(flight) : null);
                break;
            case 7:
                _ = world.Take(reader.Byte());
                break;
            case 8: // again, and not for the last time
                if (world.Seen.Count > 0)
                    Note(trace, world.Deliver(world.Seen[reader.Pick(world.Seen.Count)]));
                break;
            case 9:
                if (world.Seen.Count > 0)
                    Forge(world, node, ref reader, trace);
                break;
            case 10: // from elsewhere: a NAT, or somebody who has copied it
                if (world.Take(reader.Byte()) is { } moved)
                    Note(trace, world.Deliver(moved with { From = new Endpoint(IpAddress.IPv4(0xC6336400u + reader.Byte()), 1234) }));
                break;
            case 11:
                if (world.Take(reader.Byte()) is { } lost)
                    Note(trace, world.Deliver(lost with { To = node.Machine.Address }));
                break;
            case 12 or 13:
                world.Advance(TimeSpan.FromSeconds(reader.Pick(Seconds)));
                break;
            case 14:
                world.Advance(TimeSpan.FromMilliseconds(reader.Pick(Milliseconds)));
                break;
            case 15 or 16:
                node.Poll(all: true);
                break;
            case 17:
                world.ClockError += TimeSpan.FromSeconds(reader.Pick(Seconds)) * (reader.Flag() ? -1 : 1);
                break;
            case 18:
                node.IsUnderLoad = !node.IsUnderLoad;
                break;
            case 19:
                node.OuterEcn = reader.Byte();
                break;
            default:
                Configure(world, node, step, ref reader);
                break;
        }
    }

    private static void Configure(World world, Node node, int step, ref Input reader)
    {
        PeerTunnel? peer = node.Peers.Count == 0 ? null : node.Peers[reader.Pick(node.Peers.Count)];
        switch (step)
        {
            case 20:
                world.Introduce(node);
                break;
            case 21 when peer is not null:
                node.RemovePeer(peer);
                break;
            case 22 when peer is not null:
                SetPresharedKey(world, node, peer, ref reader);
                break;
            case 23 when peer is not null:
                SetPath(world, node, peer, ref reader);
                break;
            case 24 when peer is not null:
                node.SetPersistentKeepalive(peer, reader.Pick(Keepalives));
                break;
            case 25 when peer is not null:
                if (reader.Flag())
                    node.RequestKeepalive(peer);
                else
                    node.RequestHandshake(peer);
                break;
            case 26 when peer is not null:
                byte choice = reader.Byte();
                IpPrefix prefix = choice < 128 ? new IpPrefix(Machine.InnerAddress(1 + choice % world.Nodes.Count), 32) : WidePrefixes[choice % WidePrefixes.Length];
                if ((choice & 64) == 0)
                    node.Allow(peer, prefix);
                else
                    node.Disallow(peer, prefix);
                break;
            case 27:
                node.ClearSessions();
                break;
            case 28:
                Node other = world.Nodes[reader.Pick(world.Nodes.Count)];
                if (other == node)
                    node.UseKey(world.NewKey());
                else
                    node.UseKeyOf(other);
                break;
            case 29:
                node.Restart(crashes: reader.Flag());
                world.Introduce(node);
                break;
            case 30: // the socket moves, as on another network
                node.Machine.Address = node.Machine.Address with { Port = (ushort)(51820 + reader.Pick(3)) };
                break;
            case 31:
                node.Machine.Device.Mtu = reader.Pick([1420, 1280, 1, 16, 68, 65535]);
                break;
        }
    }

    private static void Send(World world, Node node, ref Input reader, ref int packets, int count)
    {
        byte choice = reader.Byte();
        int destination = 1 + choice % 4; // a fourth, which is nobody's but by a wide prefix
        IpAddress source = (choice & 0x70) == 0x70 ? Machine.InnerAddress(1 + (choice >> 2) % 4) : node.Machine.Inner;
        int length = Lengths[(choice >> 2) % Lengths.Length];
        for (int i = 0; i < count; i++)
        {
            byte[] packet = TunnelPacket.Make(++packets, source, Machine.InnerAddress(destination), length, (byte)(choice >> 6));
            node.Send(packet, Machine.InnerAddress(destination));
        }
    }

    private static void Forge(World world, Node attacker, ref Input reader, Trace trace)
    {
        Flight flight = world.Seen[reader.Pick(world.Seen.Count)];
        if (world.Nodes.FirstOrDefault(node => node.Machine.Address == flight.To) is not { } victim)
            return;
        byte[] forged = Forgery.Change(flight.Bytes, ref reader, victim.PublicKey);
        bool isNew = world.Seen.All(seen => !seen.Bytes.AsSpan().SequenceEqual(forged));
        Reception reception = victim.Receive(forged, reader.Flag() ? attacker.Machine.Address : flight.From);
        Note(trace, reception);
        if (isNew && reception.IsAccepted && reception.Reply?.Length != CookieReply.Size)
            Invariant.Holds(Forgery.IsEquivalent(forged, flight.Bytes), "only what is authentic is taken");
    }

    private static void SetPresharedKey(World world, Node node, PeerTunnel peer, ref Input reader)
    {
        byte choice = reader.Byte();
        byte[] key = (choice & 3) == 0 ? new byte[32] : Machine.NewKey(choice & 3);
        node.SetPresharedKey(peer, key);
        if ((choice & 4) == 0)
            return; // one end alone
        if (world.Nodes.FirstOrDefault(other => other.PublicKey == peer.PublicKey) is { } end
            && end.Machine.Device.FindPeer(node.PublicKey) is { } back)
        {
            end.SetPresharedKey(back, key);
        }
    }

    private static void SetPath(World world, Node node, PeerTunnel peer, ref Input reader)
    {
        byte choice = reader.Byte();
        Endpoint remote = world.Nodes[choice % world.Nodes.Count].Machine.Address;
        node.SetPath(peer, (choice & 0xC0) == 0xC0 ? null : new PeerPath(remote, (choice & 0x20) == 0 ? default : node.Machine.Address));
    }

    /// <summary>
    /// However it got here: once everybody is well, a packet a second each way is enough for all to pass within a minute.
    /// </summary>
    private static void Recover(World world, ref int packets)
    {
        world.Heal();
        bool all = false;
        for (int second = 0; second < 60 && !all; second++)
        {
            world.Settle();
            world.Advance(TimeSpan.FromSeconds(1));
            all = true;
            foreach (Node from in world.Nodes)
            {
                foreach (Node to in world.Nodes.Where(to => to != from))
                {
                    byte[] packet = TunnelPacket.Make(++packets, from.Machine.Inner, to.Machine.Inner, 32, 0);
                    from.Send(packet, to.Machine.Inner);
                    world.Settle();
                    all &= world.IsDelivered(packets);
                }
            }
        }
        Invariant.Holds(all, "tunnels recover within a minute");
        foreach (Node node in world.Nodes)
            node.CheckAwaited();
    }

    private static void Note(Trace trace, Reception? reception)
    {
        if (reception is not null)
            trace.Note(102, (int)reception.Kind << 8 | (int)reception.Reason);
    }
}
