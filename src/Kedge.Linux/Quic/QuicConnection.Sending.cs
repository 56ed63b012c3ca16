using Kedge.Linux.Interop;

namespace Kedge.Linux.Quic;

/// <summary>Sending: packets are laid out one behind the other, and leave 64 KiB at a time.</summary>
public sealed unsafe partial class QuicConnection
{
    private const int StreamTurn = 16 << 10;
    private const long UnsentBudget = 1 << 20;
    private const long LeastUnsent = ChunkPool.ChunkLength;
    private const ulong PacedFrom = 1_000_000; // below a millisecond's round trip, waiting costs more than bursts do

    private readonly Queue<QuicStream> _ready = new();
    private QuicStream? _current;
    private int _turn; // what is left of the current stream's; kept across calls, which may write only a packet or two

    /// <summary>How much of a stream may wait to be sent: all streams that have something share a budget.</summary>
    internal long MostUnsent => Math.Max(LeastUnsent, UnsentBudget / (_ready.Count + 1));

    /// <summary>Notes that a stream may have something to send.</summary>
    internal void MakeReady(QuicStream stream)
    {
        if (!stream.IsReady)
        {
            stream.IsReady = true;
            _ready.Enqueue(stream);
        }
        _endpoint.Touch(this);
    }

    /// <summary>Writes all packets that may leave now.</summary>
    /// <param name="buffer">Room for twice the longest run.</param>
    internal void Send(byte* buffer)
    {
        if (!IsAlive || _endpoint.IsBlocked)
            return;
        byte* addresses = stackalloc byte[256];
        Ngtcp2.Path path = RoomForPath(addresses), runPath = RoomForPath(addresses + 128);
        ulong now = EventLoop.Nanoseconds();
        bool isPaced = ShortestRoundTrip() >= PacedFrom;
        var longest = (int)Ngtcp2.conn_get_max_tx_udp_payload_size(_connection);
        int quantum = isPaced ? (int)Math.Clamp(Ngtcp2.conn_get_send_quantum(_connection), (nuint)longest, QuicSocket.LongestRun) : QuicSocket.LongestRun;
        int length = 0, segment = 0;
        bool wasSent = false;
        while (IsAlive)
        {
            int written = WritePacket(buffer + length, longest, &path, now);
            if (written <= 0)
                break;
            wasSent = true;
            if (length > 0 && (written > segment || !SamePath(path, runPath)))
            {
                // It does not fit behind the others: it begins the next run.
                if (!_endpoint.Transmit(buffer, length, segment, runPath))
                    break;
                Buffer.MemoryCopy(buffer + length, buffer, written, written);
                length = 0;
            }
            if (length == 0)
            {
                segment = written;
                Copy(path, ref runPath);
            }
            length += written;
            bool isFull = written < segment || length + longest > quantum || length / segment >= QuicSocket.MostSegments;
            if (!isFull)
                continue;
            // What the socket has no room for is lost, as on a link that has none.
            bool isTaken = _endpoint.Transmit(buffer, length, segment, runPath);
            length = 0;
            if (!isTaken || isPaced)
                break;
            now = EventLoop.Nanoseconds();
        }
        if (length > 0)
            _endpoint.Transmit(buffer, length, segment, runPath);
        if (wasSent && isPaced && IsAlive)
            Ngtcp2.conn_update_pkt_tx_time(_connection, now);
    }

    /// <summary>Writes one packet: what has to be acknowledged or said, and what streams have.</summary>
    /// <returns>Its length; 0 or less if nothing may leave now.</returns>
    private int WritePacket(byte* buffer, int longest, Ngtcp2.Path* path, ulong now)
    {
        const int MostVectors = 3;
        Libc.Iovec* vectors = stackalloc Libc.Iovec[MostVectors];
        bool isConnectionBlocked = false;
        while (true)
        {
            QuicStream? stream = isConnectionBlocked || !IsConnected ? null : NextReady();
            uint information = 0;
            nint taken = -1;
            nint result;
            bool finishes = false;
            if (stream is null)
            {
                result = Ngtcp2.conn_writev_stream(
                    _connection, path, Ngtcp2.StructureVersion, &information, buffer, (nuint)longest, &taken, 0, -1, null, 0, now);
            }
            else
            {
                int count = stream.Outgoing.Describe(stream.Outgoing.Sent, _turn, vectors, MostVectors);
                long described = 0;
                for (int i = 0; i < count; i++)
                    described += (long)vectors[i].Length;
                finishes = stream.EndsAfter(described);
                uint flags = Ngtcp2.NGTCP2_WRITE_STREAM_FLAG_MORE | (finishes ? Ngtcp2.NGTCP2_WRITE_STREAM_FLAG_FIN : 0);
                result = Ngtcp2.conn_writev_stream(
                    _connection, path, Ngtcp2.StructureVersion, &information, buffer, (nuint)longest, &taken, flags, stream.Id, vectors, (nuint)count, now);
                if (taken >= 0)
                {
                    stream.Outgoing.MarkSent(taken);
                    _turn -= (int)taken;
                    if (finishes && taken == described)
                        stream.IsEndSent = true;
                }
            }
            if (result >= 0)
                return (int)result;
            if (result == Ngtcp2.ErrWriteMore)
                continue;
            if (stream is not null && result == Ngtcp2.ErrStreamDataBlocked)
            {
                if (Ngtcp2.conn_get_max_data_left(_connection) == 0)
                    isConnectionBlocked = true; // until the peer grants more, which is read as any packet is
                else
                    stream.IsSendBlocked = true;
                continue;
            }
            if (stream is not null && (result == Ngtcp2.ErrStreamShutWr || result == Ngtcp2.ErrStreamNotFound))
            {
                stream.IsEndSent = true;
                stream.Outgoing.Clear();
                continue;
            }
            Fail((int)result);
            return -1;
        }
    }

    /// <summary>The stream whose turn it is; null if none has anything that may leave.</summary>
    private QuicStream? NextReady()
    {
        for (int left = _ready.Count + 1; left > 0; left--)
        {
            if (_current is { } current)
            {
                current.Fill();
                if (current.HasToSend && _turn > 0)
                    return current;
                if (current.HasToSend)
                {
                    _ready.Enqueue(current); // its next turn comes after all others
                    left++;
                }
                else
                {
                    current.IsReady = false;
                }
                _current = null;
            }
            if (!_ready.TryDequeue(out _current))
                return null;
            _turn = StreamTurn;
        }
        return null;
    }

    /// <summary>In nanoseconds. Not the smoothed one, which stays that of the handshake, with its computations, while little is sent.</summary>
    private ulong ShortestRoundTrip()
    {
        byte* statistics = stackalloc byte[Ngtcp2.StatisticsSize];
        Ngtcp2.conn_get_statistics(_connection, Ngtcp2.StructureVersion, statistics);
        return *(ulong*)(statistics + 8); // min_rtt
    }

    private void WriteClose(Ngtcp2.CloseError* error)
    {
        if (_endpoint.IsBlocked)
            return;
        byte* addresses = stackalloc byte[128];
        Ngtcp2.Path path = RoomForPath(addresses);
        const int Longest = 1452;
        byte* packet = stackalloc byte[Longest];
        uint information = 0;
        nint length = Ngtcp2.conn_write_connection_close(
            _connection, &path, Ngtcp2.StructureVersion, &information, packet, Longest, error, EventLoop.Nanoseconds());
        if (length > 0)
            _endpoint.Transmit(packet, (int)length, (int)length, path);
    }

    private static Ngtcp2.Path RoomForPath(byte* addresses)
    {
        new Span<byte>(addresses, 128).Clear();
        return new Ngtcp2.Path { Local = new() { Data = addresses }, Remote = new() { Data = addresses + 64 } };
    }

    private static bool SamePath(in Ngtcp2.Path a, in Ngtcp2.Path b) => Same(a.Local, b.Local) && Same(a.Remote, b.Remote);

    private static bool Same(in Ngtcp2.Address a, in Ngtcp2.Address b) =>
        new ReadOnlySpan<byte>(a.Data, (int)a.Length).SequenceEqual(new ReadOnlySpan<byte>(b.Data, (int)b.Length));

    private static void Copy(in Ngtcp2.Path from, ref Ngtcp2.Path to)
    {
        new ReadOnlySpan<byte>(from.Local.Data, (int)from.Local.Length).CopyTo(new Span<byte>(to.Local.Data, 64));
        new ReadOnlySpan<byte>(from.Remote.Data, (int)from.Remote.Length).CopyTo(new Span<byte>(to.Remote.Data, 64));
        (to.Local.Length, to.Remote.Length) = (from.Local.Length, from.Remote.Length);
    }
}
