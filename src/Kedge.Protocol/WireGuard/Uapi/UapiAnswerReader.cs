using System.Globalization;
using System.Text;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Stun;

namespace Kedge.Protocol.WireGuard.Uapi;

/// <summary>
/// Reads what <see cref="UapiAnswer"/> writes, and what other implementations answer. Keys that it does not know are skipped.
/// </summary>
public static class UapiAnswerReader
{
    /// <summary>Reads the answer to <c>get=1</c> or <c>kedge_get=1</c>. The caller disposes the result.</summary>
    /// <param name="answer">The whole answer, up to and with its empty line.</param>
    /// <exception cref="UapiException">The answer is an error, or no answer.</exception>
    public static DeviceStatus Read(ReadOnlySpan<byte> answer)
    {
        var status = new DeviceStatus();
        try
        {
            int? errno = null;
            foreach (Range range in answer.Split((byte)'\n'))
            {
                ReadOnlySpan<byte> line = answer[range];
                int equals = line.IndexOf((byte)'=');
                if (equals < 0)
                    continue;
                ReadOnlySpan<byte> value = line[(equals + 1)..];
                string key = Encoding.ASCII.GetString(line[..equals]);
                if (key == "errno")
                    errno = int.Parse(value, CultureInfo.InvariantCulture);
                else if (key == "public_key")
                    status.Peers.Add(new PeerStatus(ReadPublicKey(value)));
                else if (status.Peers.Count == 0)
                    ReadDevice(status, key, value);
                else
                    ReadPeer(status.Peers[^1], key, value);
            }
            return errno switch
            {
                0 => status,
                null => throw new UapiException(UapiError.Protocol, "The answer has no end."),
                _ => throw new UapiException(Math.Abs(errno.Value), $"The answer is error {errno}."),
            };
        }
        catch (Exception e) when (e is FormatException or OverflowException or ArgumentOutOfRangeException)
        {
            status.Dispose();
            throw new UapiException(UapiError.Protocol, $"The answer cannot be read: {e.Message}");
        }
        catch
        {
            status.Dispose();
            throw;
        }
    }

    private static void ReadDevice(DeviceStatus status, string key, ReadOnlySpan<byte> value)
    {
        switch (key)
        {
            case "private_key":
                status.PrivateKey = ReadKey(value);
                break;
            case "own_public_key":
                status.PublicKey = ReadPublicKey(value);
                break;
            case "listen_port":
                status.ListenPort = ushort.Parse(value, CultureInfo.InvariantCulture);
                break;
            case "listen_port_problem":
                status.PortProblem = Encoding.ASCII.GetString(value);
                break;
            case "fwmark":
                status.Fwmark = uint.Parse(value, CultureInfo.InvariantCulture);
                break;
            case "mtu":
                status.Mtu = int.Parse(value, CultureInfo.InvariantCulture);
                break;
            case "drop":
                status.Drops.Add(ReadCount(value));
                break;
            case "gauge":
                status.Gauges.Add(ReadCount(value));
                break;
            case "stun_server":
                status.StunResults.Add(new StunResult(ReadEndpoint(value), default));
                break;
            case "reflexive_endpoint" when status.StunResults.Count > 0:
                status.StunResults[^1] = status.StunResults[^1] with { Reflexive = ReadEndpoint(value) };
                break;
            case "peer_reflexive_endpoint":
                status.PeerReflexive.Add(ReadEndpoint(value));
                break;
            case "internal_network":
                status.InternalNetwork = value.SequenceEqual("true"u8);
                break;
            case "relay":
                status.IsRelay = value.SequenceEqual("true"u8);
                break;
            case "relay_rate":
                status.RelayRate = 1000 * long.Parse(value, CultureInfo.InvariantCulture);
                break;
            case "relay_home":
                status.RelayHome = ReadPublicKey(value);
                break;
            case "stream" or "stream_pin" or "stream_identity":
                StreamAccess.TakeLine(status.Stream ?? new StreamAccess([], [], ""), key, Encoding.ASCII.GetString(value), out StreamAccess access);
                status.Stream = access;
                break;
            case "has_stream":
                status.HasStream = value.SequenceEqual("true"u8);
                break;
            case "knock":
                status.Knocks = value.SequenceEqual("true"u8);
                break;
            case "stream_relay":
                status.StreamRelay = ReadPublicKey(value);
                break;
            case "overlay":
                status.Overlay.Add(IpPrefix.Parse(Encoding.ASCII.GetString(value)));
                break;
            case "nat_mapping":
                status.NatMapping = value.SequenceEqual("endpoint-independent"u8) ? NatMapping.EndpointIndependent
                    : value.SequenceEqual("endpoint-dependent"u8) ? NatMapping.EndpointDependent
                    : NatMapping.Unknown;
                break;
        }
    }

    private static void ReadPeer(PeerStatus peer, string key, ReadOnlySpan<byte> value)
    {
        switch (key)
        {
            case "preshared_key":
                byte[] psk = ReadKey(value);
                peer.PresharedKey = psk.AsSpan().ContainsAnyExcept((byte)0) ? psk : null;
                break;
            case "has_preshared_key":
                peer.HasPresharedKey = value.SequenceEqual("true"u8);
                break;
            case "endpoint":
                peer.Endpoint = ReadEndpoint(value);
                break;
            case "last_handshake_time_sec":
                long seconds = long.Parse(value, CultureInfo.InvariantCulture);
                peer.LastHandshake = seconds == 0 ? null : DateTimeOffset.FromUnixTimeSeconds(seconds);
                break;
            case "last_handshake_time_nsec":
                peer.LastHandshake += TimeSpan.FromTicks(long.Parse(value, CultureInfo.InvariantCulture) / TimeSpan.NanosecondsPerTick);
                break;
            case "tx_bytes":
                peer.SentBytes = ulong.Parse(value, CultureInfo.InvariantCulture);
                break;
            case "rx_bytes":
                peer.ReceivedBytes = ulong.Parse(value, CultureInfo.InvariantCulture);
                break;
            case "persistent_keepalive_interval":
                peer.PersistentKeepaliveInterval = ushort.Parse(value, CultureInfo.InvariantCulture);
                break;
            case "path":
                peer.PathState = PathText.ParseState(Encoding.ASCII.GetString(value));
                break;
            case "path_relay":
                peer.PathRelay = ReadPublicKey(value);
                break;
            case "may_relay":
                peer.MayRelay = value.SequenceEqual("true"u8);
                break;
            case "relayed_bytes":
                peer.RelayedBytes = ulong.Parse(value, CultureInfo.InvariantCulture);
                break;
            case "path_since_sec":
                peer.PathSince = DateTimeOffset.FromUnixTimeSeconds(long.Parse(value, CultureInfo.InvariantCulture));
                break;
            case "path_rtt_usec":
                peer.RoundTrip = TimeSpan.FromMicroseconds(long.Parse(value, CultureInfo.InvariantCulture));
                break;
            case "path_mtu":
                peer.PathMtu = int.Parse(value, CultureInfo.InvariantCulture);
                break;
            case "candidate":
                peer.Candidates.Add(ReadCandidate(Encoding.ASCII.GetString(value).Split(' ')));
                break;
            case "allowed_ip":
                peer.AllowedIps.Add(IpPrefix.Parse(Encoding.ASCII.GetString(value)));
                break;
        }
    }

    private static CandidateStatus ReadCandidate(string[] words)
    {
        if (words.Length < 5 || !EndpointKinds.TryParse($"{words[0]} {words[1]}", out PeerEndpoint endpoint) || PathText.ParseResult(words[2]) is not { } result)
            throw new FormatException($"'{string.Join(' ', words)}' is not a candidate.");
        TimeSpan? roundTrip = words.Length > 5 ? TimeSpan.FromMicroseconds(Number(5)) : null;
        return new CandidateStatus(endpoint, result, checked((int)Number(3)), checked((int)Number(4)), roundTrip);

        long Number(int word) => long.Parse(words[word], CultureInfo.InvariantCulture);
    }

    private static byte[] ReadKey(ReadOnlySpan<byte> value)
    {
        byte[] key = Convert.FromHexString(value);
        return key.Length == PublicKey.Size ? key : throw new FormatException($"A key has {PublicKey.Size} bytes, not {key.Length}.");
    }

    private static Endpoint ReadEndpoint(ReadOnlySpan<byte> value) => Endpoint.Parse(Encoding.ASCII.GetString(value));

    private static PublicKey ReadPublicKey(ReadOnlySpan<byte> value) => PublicKey.FromBytes(ReadKey(value));

    private static NamedCount ReadCount(ReadOnlySpan<byte> value)
    {
        int space = value.IndexOf((byte)' ');
        return space < 0
            ? throw new FormatException("A count has no value.")
            : new NamedCount(Encoding.ASCII.GetString(value[..space]), long.Parse(value[(space + 1)..], CultureInfo.InvariantCulture));
    }
}
