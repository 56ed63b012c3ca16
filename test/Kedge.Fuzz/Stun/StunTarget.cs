using System.Buffers.Binary;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.Stun;

/// <summary>
/// A datagram as a STUN message, read by a slow reader as well; as a request to a server, with one endpoint and with several, whose answer
/// must be one and short; and as an answer to a client and to a probe of NATs, which believe only the one that they asked for.
/// </summary>
public sealed class StunTarget : Target
{
    private static readonly Endpoint Source = Endpoint.Parse("192.0.2.1:32853");
    private static readonly Endpoint Server = Endpoint.Parse("198.51.100.1:3478");
    private static readonly StunOrigins Origins = new(Server, IpAddress.Parse("198.51.100.2"), 3479);
    private static readonly byte[] Id = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    public override string Name => "stun";

    public override int MaximumLength => 200;

    public override int ShortRun => 20_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        [0x21, 0x12, 0xA4, 0x42], Id, [0x00, 0x01, 0x00, 0x00], [0x01, 0x01, 0x00, 0x0C], [0x01, 0x01, 0x00, 0x18], [0x01, 0x11, 0x00, 0x08],
        [0x00, 0x20, 0x00, 0x08, 0x00, 0x01], [0x00, 0x20, 0x00, 0x14, 0x00, 0x02], [0x00, 0x01, 0x00, 0x08, 0x00, 0x01],
        [0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x00, 0x06], [0x80, 0x2B, 0x00, 0x08, 0x00, 0x01], [0x80, 0x2C, 0x00, 0x08, 0x00, 0x01],
        [0x00, 0x09, 0x00, 0x04, 0x00, 0x00, 0x04, 0x14], [0x00, 0x24, 0x00, 0x04], [0x80, 0x22, 0x00, 0x03], [0x80, 0x28, 0x00, 0x04],
    ];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        Check(input, trace);
        // As it is, hardly any input has the right length, cookie and fingerprint; so each is tried with these put right, one after another.
        if (input.Length < StunMessage.HeaderSize)
            return;
        byte[] mended = input[..(input.Length & ~3)].ToArray();
        BinaryPrimitives.WriteUInt16BigEndian(mended.AsSpan(2), (ushort)(mended.Length - StunMessage.HeaderSize));
        BinaryPrimitives.WriteUInt32BigEndian(mended.AsSpan(4), StunMessage.MagicCookie);
        Check(mended, trace);
        Id.CopyTo(mended.AsSpan(8));
        Check(mended, trace);
    }

    private static void Check(ReadOnlySpan<byte> datagram, Trace trace)
    {
        bool read = StunMessage.TryParse(datagram, out StunMessage message);
        List<(int Type, byte[] Value)>? expected = SlowRead(datagram);
        Invariant.Equal(expected is not null, read, "both readers agree on what a message is");
        trace.Note(1, !read ? 0 : Enum.IsDefined(message.Type) ? (int)message.Type : -1);
        if (!read)
            return;
        int index = 0;
        foreach (StunMessage.Attribute attribute in message)
        {
            Invariant.Holds(index < expected!.Count, "both readers find as many attributes");
            Invariant.Equal(expected[index].Type, (int)attribute.Type, "both readers find the same types");
            Invariant.Holds(attribute.Value.SequenceEqual(expected[index].Value), "both readers find the same values");
            trace.Note(2, Enum.IsDefined(attribute.Type) ? (int)attribute.Type : attribute.IsComprehensionRequired ? -1 : -2);
            index++;
        }
        Invariant.Equal(expected!.Count, index, "both readers find as many attributes");
        CheckServer(datagram, message, expected, trace);
        CheckOrigins(datagram, message, trace);
        CheckClient(datagram, message, trace);
        CheckProbe(datagram, message);
    }

    private static void CheckOrigins(ReadOnlySpan<byte> datagram, StunMessage message, Trace trace)
    {
        byte[] response = new byte[StunServer.MaximumResponse];
        int length = new StunServer().Answer(default, datagram, Source, Origins, response, out Endpoint origin);
        Invariant.Equal(message.Type == StunMessageType.BindingRequest, length > 0, "requests are answered, and nothing else");
        Invariant.Holds(length <= datagram.Length + 12, "an answer is longer by one address at most");
        trace.Note(5, length);
        if (length == 0)
            return;
        bool isSuccess = BinaryPrimitives.ReadUInt16BigEndian(response) == 0x0101;
        bool asksForChange = message.TryReadChange(out StunChange change);
        Endpoint expected = isSuccess && asksForChange
            ? Origins.With(change.HasFlag(StunChange.Address), change.HasFlag(StunChange.Port))
            : Server;
        Invariant.Equal(expected, origin, "an answer comes from where it is asked to, and else from where the request went");
        Invariant.Holds(StunMessage.TryParse(response.AsSpan(0, length), out StunMessage answer), "an answer is a message");
        if (answer.TryReadAddress(StunAttribute.ResponseOrigin, out Endpoint told))
            Invariant.Equal(origin, told, "the origin that is told is the origin");
    }

    private static void CheckProbe(ReadOnlySpan<byte> datagram, StunMessage message)
    {
        var probe = new NatBehaviourProbe(
            default, [Server], [], destination => Id.AsSpan(0, Math.Min(Id.Length, destination.Length)).CopyTo(destination));
        byte[] request = new byte[NatBehaviourProbe.RequestSize];
        probe.Poll(default, request, out _, out _);
        probe.Receive(default, 0, datagram, Source);
        Invariant.Holds(!probe.Result.IsAnswered, "nobody but the server is believed");
        probe.Receive(default, 0, datagram, Server);
        Invariant.Holds(
            !probe.Result.IsAnswered
            || (message.Type == StunMessageType.BindingSuccess && message.TransactionId == StunTransactionId.Read(Id)),
            "only an answer to the request is believed");
        // Whatever it was told, it asks only endpoints that can be asked, and comes to an end.
        Instant now = default;
        for (int round = 0; !probe.IsFinished; round++)
        {
            Invariant.Holds(round < 100, "it ends");
            while (probe.Poll(now, request, out int socket, out Endpoint destination) is { Kind: OutcomeKind.ToNetwork })
            {
                Invariant.Holds(socket is >= 0 and < NatBehaviourProbe.SocketCount, "it has the sockets that it says");
                Invariant.Holds(StunClient.CanAsk(destination), "nothing is sent to where nothing can be");
            }
            now = Instant.Earlier(probe.NextDeadline, now + NatBehaviourProbe.LongestTime);
        }
    }

    private static void CheckServer(
        ReadOnlySpan<byte> datagram, StunMessage message, List<(int Type, byte[] Value)> attributes, Trace trace)
    {
        byte[] response = new byte[StunServer.MaximumResponse];
        int length = new StunServer().Answer(default, datagram, Source, response);
        Invariant.Equal(message.Type == StunMessageType.BindingRequest, length > 0, "requests are answered, and nothing else");
        trace.Note(3, length);
        if (length == 0)
            return;
        Invariant.Holds(length <= datagram.Length + 24, "an answer is at most 24 bytes longer than its request");
        List<(int Type, byte[] Value)>? answered = SlowRead(response.AsSpan(0, length));
        Invariant.Holds(answered is not null, "an answer is a message");
        Invariant.Holds(response.AsSpan(8, 12).SequenceEqual(datagram[8..20]), "an answer has its request's identifier");
        Invariant.Equal(
            attributes.Exists(attribute => attribute.Type == 0x8028),
            answered!.Exists(attribute => attribute.Type == 0x8028),
            "an answer has a fingerprint exactly when its request has one");
        bool isSuccess = answered.Exists(attribute => attribute.Type == 0x0020);
        Invariant.Equal(isSuccess ? 0x0101 : 0x0111, BinaryPrimitives.ReadUInt16BigEndian(response), "an answer is a success or an error");
        if (isSuccess && StunMessage.TryParse(response.AsSpan(0, length), out StunMessage success))
        {
            Invariant.Holds(success.TryReadMappedAddress(out Endpoint seen), "a success has an address");
            Invariant.Equal(Source, seen, "the address is the source's");
        }
    }

    private static void CheckClient(ReadOnlySpan<byte> datagram, StunMessage message, Trace trace)
    {
        var client = new StunClient(destination => Id.AsSpan(0, Math.Min(Id.Length, destination.Length)).CopyTo(destination));
        client.Use(default, [Server]);
        client.Poll(default, new byte[StunClient.RequestSize], out _);
        client.Receive(datagram, Source);
        Invariant.Holds(client.Results.Single().Reflexive.IsNone, "nobody but the server is believed");
        Outcome outcome = client.Receive(datagram, Server);
        trace.Note(4, (int)outcome.Kind);
        Endpoint learned = client.Results.Single().Reflexive;
        bool isAnswer = message.Type == StunMessageType.BindingSuccess && message.TransactionId == StunTransactionId.Read(Id);
        Endpoint told = default;
        Invariant.Equal(isAnswer && message.TryReadMappedAddress(out told) ? told : default, learned, "what is learned is what the answer tells");
        Invariant.Holds(learned.IsNone || learned.Port != 0, "what is learned has a port");
    }

    /// <summary>The attributes of a message, read as RFC 8489, sections 5, 14 and 14.7 say; null where it is none.</summary>
    private static List<(int Type, byte[] Value)>? SlowRead(ReadOnlySpan<byte> datagram)
    {
        if (datagram.Length < 20 || datagram[0] >> 6 != 0 || !datagram[4..8].SequenceEqual<byte>([0x21, 0x12, 0xA4, 0x42]))
            return null;
        int length = (datagram[2] << 8) | datagram[3];
        if (length % 4 != 0 || length + 20 != datagram.Length)
            return null;
        List<(int, byte[])> attributes = [];
        int at = 20;
        while (at < datagram.Length)
        {
            int type = (datagram[at] << 8) | datagram[at + 1];
            int size = (datagram[at + 2] << 8) | datagram[at + 3];
            int padded = size;
            while (padded % 4 != 0)
                padded++;
            if (at + 4 + padded > datagram.Length)
                return null;
            byte[] value = datagram.Slice(at + 4, size).ToArray();
            if (type == 0x8028 && (at + 8 != datagram.Length || size != 4 || !value.SequenceEqual(SlowFingerprint(datagram[..at]))))
                return null;
            attributes.Add((type, value));
            at += 4 + padded;
        }
        return attributes;
    }

    private static byte[] SlowFingerprint(ReadOnlySpan<byte> message)
    {
        // Bit by bit, the division by V.42's polynomial 0x04C11DB7 as the textbook has it, with reflected bytes.
        uint remainder = uint.MaxValue;
        foreach (byte value in message)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                bool divides = (remainder >> 31) != ((uint)value >> bit & 1);
                remainder = (remainder << 1) ^ (divides ? 0x04C11DB7u : 0u);
            }
        }
        uint reflected = 0;
        for (int bit = 0; bit < 32; bit++)
            reflected |= (~remainder >> bit & 1) << (31 - bit);
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, reflected ^ 0x5354554E);
        return bytes;
    }
}
