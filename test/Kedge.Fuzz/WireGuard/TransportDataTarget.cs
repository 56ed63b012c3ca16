using System.Buffers.Binary;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard;

/// <summary>
/// Transport data of a session, with anything inside: what arrives is what was sent, once, from an address that its sender may use; what
/// was changed on the way is not authentic; and the rest is dropped for the reason that it deserves.
/// </summary>
public sealed class TransportDataTarget : Target
{
    private static readonly Instant Now = new(TimeSpan.TicksPerDay);
    private static readonly DateTimeOffset Clock = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly Endpoint[] Places =
        [new(IpAddress.IPv4(0xC0000201), 51820), new(IpAddress.IPv4(0xC0000207), 1), new(IpAddress.IPv6(UInt128.One), 65535, 3)];

    public override string Name => "transport-data";

    public override int MaximumLength => 512;

    public override int ShortRun => 700;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        [0, 20, .. Header(20, 1, 0)], [0, 28, .. Header(28, 1, 2)], [0, 20, .. Header(20, 3, 0)], [0, 21, .. Header(20, 1, 1)], [0, 20, .. Header(21, 1, 0)],
        [0, 40, 0x60, 0, 0, 0, 0, 0, 17, 64], [1, 0, 0x00], [2], [3, 0, 0, 0, 4, 1],
    ];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        using var sender = new Machine(1);
        using var receiver = new Machine(2);
        PeerTunnel toReceiver = sender.AddPeer(receiver), toSender = receiver.AddPeer(sender);
        byte mtu = reader.Byte();
        sender.Device.Mtu = mtu == 0 ? 1420 : 4 * mtu;
        Handshake(sender, toReceiver, receiver);

        List<(byte[] Datagram, byte[] Packet)> sent = [];
        HashSet<int> accepted = [];
        long received = toSender.ReceivedBytes;
        while (!reader.IsEmpty)
        {
            byte operation = reader.Byte();
            Endpoint from = Places[(operation >> 4) % Places.Length];
            byte outer = (byte)(operation >> 2);
            switch (operation & 3)
            {
                case 0:
                    byte[] packet = reader.Take(reader.Byte()).ToArray();
                    byte[]? datagram = sender.Seal(Now, toReceiver, packet);
                    Invariant.Holds(datagram is not null, "a new session seals");
                    Invariant.Equal(ExpectedLength(packet.Length, sender.Device.Mtu), datagram!.Length, "a datagram is padded to 16 bytes, up to the MTU");
                    Invariant.Equal((ulong)sent.Count + 0, new TransportData(datagram).Counter, "counters count");
                    sent.Add((datagram, packet));
                    Deliver(sent.Count - 1, from, outer);
                    break;
                case 1 or 2 when sent.Count > 0:
                    Deliver(reader.Pick(sent.Count), from, outer);
                    break;
                case 3 when sent.Count > 0:
                    byte[] original = sent[reader.Pick(sent.Count)].Datagram;
                    byte[] forged = Forgery.Change(original, ref reader, receiver.PublicKey);
                    if (sent.Any(s => s.Datagram.AsSpan().SequenceEqual(forged)))
                        break;
                    PeerPath? path = toSender.Path;
                    Reception forgery = receiver.Receive(Now, forged, from);
                    trace.Note(1, (int)forgery.Reason);
                    Invariant.Holds(!forgery.IsAccepted && forgery.Session is null, "what was changed on the way is not authentic");
                    Invariant.Equal(path, toSender.Path, "a forgery moves no peer");
                    break;
            }
            Invariant.Equal(received, toSender.ReceivedBytes, "what is authentic and new is counted, and nothing else");
        }

        void Deliver(int index, Endpoint from, byte outer)
        {
            (byte[] datagram, byte[] packet) = sent[index];
            PeerPath? path = toSender.Path;
            Reception reception = receiver.Receive(Now, datagram, from, outerEcn: outer);
            trace.Note(2, (int)reception.Reason);
            if (!accepted.Add(index))
            {
                Invariant.Equal(DropReason.Replayed, reception.Reason, "nothing is accepted twice");
                Invariant.Equal(path, toSender.Path, "a replay moves no peer");
                return;
            }
            received += datagram.Length;
            Invariant.Equal(from, toSender.Path?.Remote, "a peer is where its last packet came from");
            byte[] padded = [.. packet, .. new byte[datagram.Length - 32 - packet.Length]];
            (DropReason reason, byte[]? expected) = Judge(padded, outer);
            Invariant.Equal(reason, reception.Reason, "a packet is judged by what is inside");
            Invariant.Equal(Convert.ToHexString(expected ?? []), Convert.ToHexString(reception.Packet ?? []), "what arrives is what was sent");
        }
    }

    private static int ExpectedLength(int length, int mtu)
    {
        int padded = (length + 15) / 16 * 16;
        return 32 + (padded <= mtu ? padded : Math.Max(length, mtu));
    }

    private static (DropReason Reason, byte[]? Packet) Judge(byte[] plaintext, byte outer)
    {
        if (plaintext.Length == 0)
            return (DropReason.None, null);
        int version = plaintext[0] >> 4;
        int header = version == 4 ? (plaintext[0] & 15) * 4 : 40;
        if (plaintext.Length < (version == 4 ? 20 : 40) || version is not (4 or 6))
            return (DropReason.MalformedInnerPacket, null);
        int length = version == 4
            ? BinaryPrimitives.ReadUInt16BigEndian(plaintext.AsSpan(2))
            : 40 + BinaryPrimitives.ReadUInt16BigEndian(plaintext.AsSpan(4));
        if (header < 20 || length < header || length > plaintext.Length)
            return (DropReason.MalformedInnerPacket, null);
        if (version == 6 || !plaintext.AsSpan(12, 4).SequenceEqual<byte>([10, 0, 0, 1]))
            return (DropReason.SourceNotAllowed, null);
        byte[] packet = plaintext[..length];
        int inner = packet[1] & 3;
        int mark = outer & 3;
        if (mark == 3 && inner == 0)
            return (DropReason.CongestionMarked, null);
        int forwarded = mark == 3 ? 3 : mark == 1 && inner == 2 ? 1 : inner;
        if (forwarded != inner)
            IpPacket.SetEcn(packet, (byte)forwarded);
        return (DropReason.None, packet);
    }

    private static void Handshake(Machine initiator, PeerTunnel peer, Machine responder)
    {
        peer.RequestHandshake();
        byte[] initiation = initiator.Poll(Now, Clock, peer)!;
        byte[] response = responder.Receive(Now, initiation, initiator.Address).Reply!;
        initiator.Receive(Now, response, responder.Address);
    }

    private static byte[] Header(ushort length, byte source, byte ecn) =>
        [0x45, ecn, (byte)(length >> 8), (byte)length, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, source, 10, 0, 0, 2];
}
