using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Stun;

namespace Kedge.Protocol.WireGuard.Uapi;

/// <summary>
/// The bytes that answer one request, ending with <c>errno=N</c> and an empty line
/// (<see href="https://www.wireguard.com/xplatform/#configuration-protocol"/>). There may be secret keys in them, so they are zeroed when
/// disposed.
/// </summary>
public sealed class UapiAnswer : IDisposable
{
    // Upper bounds of what is written, so that the buffer never grows and leaves no copy of a key behind.
    private const int DeviceBound = 640;
    private const int PeerBound = 864;
    private const int AllowedIpBound = 64;
    private const int CountBound = 32; // and the name
    private const int StunBound = 160;
    private const int OverlayBound = 64;
    private const int CandidateBound = 160;

    private static readonly byte[] NoKey = new byte[PublicKey.Size];

    private readonly byte[] _buffer;
    private int _length;

    private UapiAnswer(int bound) => _buffer = new byte[bound];

    /// <summary>The answer. Not to be used after disposal.</summary>
    public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, _length);

    /// <summary>Answers a request that shows nothing: <c>errno=0</c> when it was carried out, else the negative error number.</summary>
    public static UapiAnswer Done(UapiError? error = null)
    {
        var answer = new UapiAnswer(DeviceBound);
        answer.End(error);
        return answer;
    }

    /// <summary>Answers <c>get=1</c>, secret keys included: <c>wg showconf</c> needs them.</summary>
    public static UapiAnswer Get(DeviceStatus status)
    {
        var answer = new UapiAnswer(Bound(status));
        if (status.PrivateKey is not null)
            answer.WriteHex("private_key="u8, status.PrivateKey);
        answer.WriteDevice(status);
        foreach (PeerStatus peer in status.Peers)
        {
            answer.WritePeerKey(peer);
            answer.WriteHex("preshared_key="u8, peer.PresharedKey ?? NoKey);
            answer.WritePeer(peer);
        }
        answer.End(null);
        return answer;
    }

    /// <summary>
    /// Answers <c>kedge_get=1</c>: the keys of <c>get=1</c> without secrets, and <c>own_public_key</c>, <c>listen_port_problem=SENTENCE</c>
    /// where the port cannot be had, <c>mtu</c>, <c>drop=REASON COUNT</c>, <c>gauge=NAME VALUE</c>, for each STUN server <c>stun_server</c>
    /// and, where it has answered, <c>reflexive_endpoint</c>, then <c>nat_mapping</c> (<c>endpoint-independent</c> or
    /// <c>endpoint-dependent</c>) where that is known, <c>internal_network</c>, <c>overlay</c>, each <c>stream=HOST:PORT</c>,
    /// <c>stream_pin</c> and <c>stream_identity</c>, and <c>has_stream</c> while there is one, <c>stream_relay</c> if it is to a relay, <c>knock</c>; and for a peer
    /// <c>has_preshared_key</c>, and if its path is found by probes <c>path</c> (<c>idle</c>, <c>connecting</c>, <c>direct</c>, <c>waiting</c>, <c>relayed</c>),
    /// <c>path_relay</c>, <c>path_since_sec</c>, <c>path_rtt_usec</c>, <c>path_mtu</c> where that is known, and each
    /// <c>candidate=KIND ENDPOINT RESULT PINGS PONGS [MICROSECONDS]</c>.
    /// </summary>
    public static UapiAnswer KedgeGet(DeviceStatus status)
    {
        var answer = new UapiAnswer(Bound(status));
        if (status.PublicKey is { } own)
            answer.WritePublicKey("own_public_key="u8, own);
        answer.WriteDevice(status);
        if (status.PortProblem is { } problem)
            answer.WriteLine("listen_port_problem="u8, problem);
        if (status.Mtu != 0)
            answer.WriteNumber("mtu="u8, (ulong)status.Mtu);
        foreach (NamedCount drop in status.Drops)
            answer.WriteCount("drop="u8, drop);
        foreach (NamedCount gauge in status.Gauges)
            answer.WriteCount("gauge="u8, gauge);
        foreach (StunResult result in status.StunResults)
        {
            answer.WriteText("stun_server="u8, result.Server);
            if (!result.Reflexive.IsNone)
                answer.WriteText("reflexive_endpoint="u8, result.Reflexive);
        }
        foreach (Endpoint seen in status.PeerReflexive)
            answer.WriteText("peer_reflexive_endpoint="u8, seen);
        if (status.NatMapping != NatMapping.Unknown)
            answer.Write(status.NatMapping == NatMapping.EndpointIndependent ? "nat_mapping=endpoint-independent\n"u8 : "nat_mapping=endpoint-dependent\n"u8);
        if (status.InternalNetwork)
            answer.Write("internal_network=true\n"u8);
        foreach (IpPrefix prefix in status.Overlay)
            answer.WriteText("overlay="u8, prefix);
        if (status.IsRelay)
        {
            answer.Write("relay=true\n"u8);
            answer.WriteNumber("relay_rate="u8, (ulong)status.RelayRate / 1000);
        }
        if (status.RelayHome is { } home)
            answer.WritePublicKey("relay_home="u8, home);
        foreach (string line in status.Stream?.ToLines() ?? [])
            answer.WriteLine([], line);
        if (status.HasStream)
            answer.Write("has_stream=true\n"u8);
        if (status.StreamRelay is { } relay)
            answer.WritePublicKey("stream_relay="u8, relay);
        if (status.Knocks)
            answer.Write("knock=true\n"u8);
        foreach (PeerStatus peer in status.Peers)
        {
            answer.WritePeerKey(peer);
            if (peer.HasPresharedKey)
                answer.Write("has_preshared_key=true\n"u8);
            answer.WritePeer(peer);
            answer.WritePath(peer);
        }
        answer.End(null);
        return answer;
    }

    /// <summary>Zeroes the bytes.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_buffer);
        _length = 0;
    }

    private static int Bound(DeviceStatus status) =>
        DeviceBound
        + (status.PortProblem?.Length ?? 0)
        + (status.Stream?.ToLines().Sum(line => line.Length + 1) ?? 0)
        + status.Peers.Sum(peer => PeerBound + peer.AllowedIps.Count * AllowedIpBound)
        + (status.StunResults.Count + status.PeerReflexive.Count) * StunBound
        + status.Overlay.Count * OverlayBound
        + status.Peers.Sum(peer => peer.Candidates.Count * CandidateBound)
        + status.Drops.Concat(status.Gauges).Sum(count => CountBound + count.Name.Length);

    private void WriteDevice(DeviceStatus status)
    {
        if (status.ListenPort != 0)
            WriteNumber("listen_port="u8, status.ListenPort);
        if (status.Fwmark != 0)
            WriteNumber("fwmark="u8, status.Fwmark);
    }

    private void WritePeerKey(PeerStatus peer) => WritePublicKey("public_key="u8, peer.PublicKey);

    private void WritePeer(PeerStatus peer)
    {
        Write("protocol_version=1\n"u8);
        if (!peer.Endpoint.IsNone)
            WriteText("endpoint="u8, peer.Endpoint);
        long ticks = peer.LastHandshake is { } last ? Math.Max(0, (last - DateTimeOffset.UnixEpoch).Ticks) : 0;
        WriteNumber("last_handshake_time_sec="u8, (ulong)(ticks / TimeSpan.TicksPerSecond));
        WriteNumber("last_handshake_time_nsec="u8, (ulong)(ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick));
        WriteNumber("tx_bytes="u8, peer.SentBytes);
        WriteNumber("rx_bytes="u8, peer.ReceivedBytes);
        WriteNumber("persistent_keepalive_interval="u8, peer.PersistentKeepaliveInterval);
        foreach (IpPrefix prefix in peer.AllowedIps)
            WriteText("allowed_ip="u8, prefix);
    }

    private void WritePath(PeerStatus peer)
    {
        if (peer.MayRelay)
            Write("may_relay=true\n"u8);
        if (peer.RelayedBytes != 0)
            WriteNumber("relayed_bytes="u8, peer.RelayedBytes);
        if (peer.PathState is not { } state)
            return;
        WriteLine("path="u8, PathText.Of(state));
        if (peer.PathRelay is { } relay)
            WritePublicKey("path_relay="u8, relay);
        if (peer.PathSince is { } since)
            WriteNumber("path_since_sec="u8, (ulong)since.ToUnixTimeSeconds());
        if (peer.RoundTrip is { } roundTrip)
            WriteNumber("path_rtt_usec="u8, (ulong)roundTrip.TotalMicroseconds);
        if (peer.PathMtu is { } mtu)
            WriteNumber("path_mtu="u8, (ulong)mtu);
        foreach (CandidateStatus candidate in peer.Candidates)
        {
            string time = candidate.RoundTrip is { } rtt ? $" {(long)rtt.TotalMicroseconds}" : "";
            WriteLine("candidate="u8, string.Create(
                CultureInfo.InvariantCulture,
                $"{candidate.Endpoint.Kind.ToText()} {candidate.Endpoint.Address} {PathText.Of(candidate.Result)} {candidate.Pings} {candidate.Pongs}{time}"));
        }
    }

    private void End(UapiError? error)
    {
        Write(error is null ? "errno="u8 : "errno=-"u8);
        WriteNumber([], (ulong)(error?.Errno ?? 0));
        Write("\n"u8);
    }

    private void WriteNumber(ReadOnlySpan<byte> key, ulong value)
    {
        Write(key);
        value.TryFormat(_buffer.AsSpan(_length), out int written, default, CultureInfo.InvariantCulture);
        _length += written;
        Write("\n"u8);
    }

    private void WriteCount(ReadOnlySpan<byte> key, NamedCount count)
    {
        Write(key);
        _length += Encoding.ASCII.GetBytes(count.Name, _buffer.AsSpan(_length));
        WriteNumber(" "u8, (ulong)count.Value);
    }

    private void WriteLine(ReadOnlySpan<byte> key, string value)
    {
        Write(key);
        _length += Encoding.ASCII.GetBytes(value, _buffer.AsSpan(_length));
        Write("\n"u8);
    }

    private void WriteText<T>(ReadOnlySpan<byte> key, T value)
        where T : struct
    {
        Write(key);
        _length += Encoding.ASCII.GetBytes(value.ToString()!, _buffer.AsSpan(_length));
        Write("\n"u8);
    }

    private void WritePublicKey(ReadOnlySpan<byte> key, PublicKey value)
    {
        Span<byte> bytes = stackalloc byte[PublicKey.Size];
        value.CopyTo(bytes);
        WriteHex(key, bytes);
    }

    private void WriteHex(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        Write(key);
        Convert.TryToHexStringLower(value, _buffer.AsSpan(_length), out int written);
        _length += written;
        Write("\n"u8);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer.AsSpan(_length));
        _length += bytes.Length;
    }
}
