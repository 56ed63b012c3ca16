using System.Security.Cryptography;
using System.Text;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard.Uapi;

/// <summary>
/// The bytes of one <c>set=1</c> request, with its empty line: what <see cref="UapiReader"/> reads. There may be secret keys in them, so
/// they are zeroed when disposed.
/// </summary>
public sealed class UapiRequest : IDisposable
{
    // Upper bounds of what is written, so that the buffer never grows and leaves no copy of a key behind.
    private const int DeviceBound = 320;
    private const int PeerBound = 448;
    private const int AllowedIpBound = 64;
    private const int StunServerBound = 96;
    private const int OverlayBound = 64;
    private const int CandidateBound = 96;
    private const int StreamBound = 256;
    private const int NotFoundBound = 64;
    private const int FrameBound = 16;

    private readonly byte[] _buffer;
    private int _length;

    private UapiRequest(int bound) => _buffer = new byte[bound];

    /// <summary>The request. Not to be used after disposal.</summary>
    public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, _length);

    /// <summary>The request that makes a change.</summary>
    public static UapiRequest Set(DeviceChange change)
    {
        var request = new UapiRequest(
            DeviceBound
            + change.StunServers.Count * StunServerBound
            + change.NotFound.Count * NotFoundBound
            + (change.Overlay?.Count ?? 0) * OverlayBound
            + (change.Stream is { } stream ? StreamBound + stream.ToLines().Sum(line => line.Length + 1) : 0)
            + change.Peers.Sum(peer => PeerBound + peer.Frames.Sum(frame => FrameBound + 2 * frame.Length) + peer.AllowedIps.Count * AllowedIpBound + (peer.Candidates?.Count ?? 0) * CandidateBound));
        request.Write("set=1");
        if (change.PrivateKey is { } privateKey)
            request.WriteHex("private_key=", privateKey);
        if (change.ListenPort is { } port)
            request.Write($"listen_port={port}");
        if (change.Fwmark is { } mark)
            request.Write($"fwmark={mark}");
        if (change.ReplaceStunServers)
            request.Write("replace_stun_servers=true");
        foreach (Endpoint server in change.StunServers)
            request.Write($"stun_server={server}");
        if (change.InternalNetwork is { } isInternal)
            request.Write(isInternal ? "internal_network=true" : "internal_network=false");
        if (change.Relay is { } isRelay)
        {
            request.Write(isRelay ? "relay=true" : "relay=false");
            request.Write($"relay_rate={change.RelayRate / 1000}");
        }
        if (change.Stream is { } access)
        {
            request.Write("replace_streams=true");
            foreach (string line in access.Identity.Length > 0 ? access.ToLines() : [])
                request.Write(line);
        }
        if (change.Knock is { } knocks)
            request.Write(knocks ? "knock=true" : "knock=false");
        foreach (Endpoint at in change.KnockAt)
            request.Write($"knock_at={at}");
        foreach (IpAddress address in change.NotFound)
            request.Write($"not_found={address}");
        if (change.Overlay is { } overlay)
        {
            request.Write("replace_overlay=true");
            foreach (IpPrefix prefix in overlay)
                request.Write($"overlay={prefix}");
        }
        if (change.ReplacePeers)
            request.Write("replace_peers=true");
        foreach (PeerChange peer in change.Peers)
            request.Write(peer);
        request.Write("");
        return request;
    }

    /// <summary>Zeroes the bytes.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_buffer);
        _length = 0;
    }

    private void Write(PeerChange peer)
    {
        WriteHex("public_key=", peer.PublicKey.ToArray());
        if (peer.Remove)
            Write("remove=true");
        if (peer.UpdateOnly)
            Write("update_only=true");
        if (peer.PresharedKey is { } presharedKey)
            WriteHex("preshared_key=", presharedKey);
        if (peer.Endpoint is { } endpoint)
            Write($"endpoint={endpoint}");
        if (peer.Candidates is { } candidates)
        {
            Write("replace_candidates=true");
            foreach (PeerEndpoint candidate in candidates)
                Write($"candidate={candidate.Kind.ToText()} {candidate.Address}");
        }
        if (peer.Introduction is { } isAnswer)
            Write($"introduction={DeviceEvent.Word(isAnswer)}");
        if (peer.IntroductionByPeers is { } answers)
            Write($"introduce_by_peers={DeviceEvent.Word(answers)}");
        if (peer.Connect)
            Write("connect=true");
        if (peer.Knock)
            Write("knock=true");
        foreach (byte[] frame in peer.Frames)
            WriteHex("frame=", frame);
        if (peer.MayRelay is { } mayRelay)
            Write(mayRelay ? "may_relay=true" : "may_relay=false");
        if (peer.PersistentKeepaliveInterval is { } interval)
            Write($"persistent_keepalive_interval={interval}");
        if (peer.ReplaceAllowedIps)
            Write("replace_allowed_ips=true");
        foreach (AllowedIpChange change in peer.AllowedIps)
            Write($"allowed_ip={(change.Remove ? "-" : "")}{change.Prefix}");
    }

    private void Write(string line)
    {
        _length += Encoding.ASCII.GetBytes(line, _buffer.AsSpan(_length));
        _buffer[_length++] = (byte)'\n';
    }

    private void WriteHex(string key, ReadOnlySpan<byte> value)
    {
        _length += Encoding.ASCII.GetBytes(key, _buffer.AsSpan(_length));
        Convert.TryToHexStringLower(value, _buffer.AsSpan(_length), out int written);
        _length += written;
        _buffer[_length++] = (byte)'\n';
    }
}
