using System.Diagnostics;
using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Bench.Dataplane;

/// <summary>
/// Initiations that a device answers in a second: 1,000 peers ask in turn, with no more than 16 unanswered at a time, so that the device is
/// never under load: then it would ask for cookies, and answer each address 20 times a second only. The initiations were made before, by
/// the initiator's side of Kedge, and their answers are counted, not read: what is measured is the responder.
/// </summary>
internal static class HandshakeRate
{
    private const int Peers = 1000, Rounds = 8, Window = 16;

    // Nothing here is lost but by a device that drops it, and then it must not be waited for.
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestRun = TimeSpan.FromSeconds(8);

    public static IReadOnlyList<Measurement> Measurements { get; } =
        [new(Measure, new Figure("handshakes answered a second, 1,000 peers")) { IsOfWireGuard = true }];

    private static double[] Measure(BenchPath path)
    {
        DeviceProcess device = path.Devices.DeviceOfB;
        LocalIdentity[] identities =
            [.. Enumerable.Range(0, Peers).Select(_ => new LocalIdentity(RandomNumberGenerator.GetBytes(X25519.KeySize)))];
        PeerList.Add(device, identities.Select(identity => identity.PublicKey.ToArray()));
        byte[][] initiations = Initiations(identities, PublicKey.Parse(device.Keys.PublicKey));
        using var port = new UdpPort();
        path.A.Namespace.Run(() => port.Open(0));
        return [Answered(port.Sockets[0], initiations, Endpoint.Parse($"{BenchPath.CableOfB}:{device.ListenPort}"))];
    }

    /// <summary>One of each peer, then another of each, and so on; each peer's are a second of its clock apart.</summary>
    private static byte[][] Initiations(LocalIdentity[] identities, PublicKey responder)
    {
        var initiations = new byte[Rounds * identities.Length][];
        DateTimeOffset wallClock = DateTimeOffset.UtcNow;
        Instant now = BootClock.Now;
        Parallel.For(0, identities.Length, index =>
        {
            byte[] datagram = new byte[1024];
            using var initiator = new WireGuardDevice(Timing.Default, RandomNumberGenerator.Fill, attention: () => { });
            initiator.SetIdentity(identities[index], new TimestampSource(default, reserve: _ => { }));
            PeerTunnel peer = initiator.AddPeer(responder);
            peer.Path = new PeerPath(default, default);
            for (int round = 0; round < Rounds; round++)
            {
                peer.Clear(); // It need not wait for the last one's answer.
                peer.RequestHandshake();
                Outcome outcome = peer.Poll(now, wallClock.AddSeconds(round), datagram);
                initiations[round * identities.Length + index] = datagram[..outcome.Length];
            }
        });
        return initiations;
    }

    private static double Answered(IDatagramSocket socket, byte[][] initiations, Endpoint device)
    {
        PacketBuffer[] buffers = PacketBuffer.Allocate(Window);
        using var timer = new Timer(_ => socket.Wake(), null, AnswerTimeout, AnswerTimeout);
        int sent = 0, answered = 0, outstanding = 0, lost = 0;
        long start = Stopwatch.GetTimestamp(), lastReceived = start;
        while (Stopwatch.GetElapsedTime(start) < LongestRun && (sent < initiations.Length || outstanding > 0))
        {
            int batch = Math.Min(Window - outstanding, initiations.Length - sent);
            for (int i = 0; i < batch; i++)
                Fill(buffers[i], initiations[sent++], device);
            socket.Send(buffers.AsSpan(0, batch));
            outstanding += batch;
            socket.WaitReadable();
            int received = socket.Receive(buffers);
            foreach (PacketBuffer buffer in buffers.AsSpan(0, received))
            {
                if (Datagram.Classify(buffer.Packet) == DatagramKind.CookieReply)
                    throw new InvalidOperationException("The device is under load: what it does then is not what is measured here.");
                answered += Datagram.Classify(buffer.Packet) == DatagramKind.HandshakeResponse ? 1 : 0;
            }
            if (received > 0)
                (outstanding, lastReceived) = (Math.Max(sent - lost - answered, 0), Stopwatch.GetTimestamp());
            else if (Stopwatch.GetElapsedTime(lastReceived) >= AnswerTimeout)
                (outstanding, lost, lastReceived) = (0, lost + outstanding, Stopwatch.GetTimestamp());
        }
        return lost <= initiations.Length / 100
            ? answered / Stopwatch.GetElapsedTime(start).TotalSeconds
            : throw new InvalidOperationException($"{lost} of {sent} initiations were not answered, and {answered} were.");
    }

    private static void Fill(PacketBuffer buffer, byte[] message, Endpoint destination)
    {
        buffer.Reset();
        buffer.Length = message.Length;
        message.CopyTo(buffer.Packet);
        buffer.Destination = destination;
    }
}
