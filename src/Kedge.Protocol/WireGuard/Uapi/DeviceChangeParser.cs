using System.Buffers;
using System.Text;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;

namespace Kedge.Protocol.WireGuard.Uapi;

/// <summary>
/// Puts a <see cref="DeviceChange"/> together from the lines of a <c>set</c> request: keys of the device first, then every
/// <c>public_key</c> starts a peer. It owns the change until <see cref="Finish"/>.
/// </summary>
internal sealed class DeviceChangeParser(Func<string, uint> interfaceIndex) : IDisposable
{
    private const int KeySize = 32;
    private const int PeerCost = 256; // bytes of memory, roughly
    private const int CandidateCost = 48;
    private const int MaximumCandidates = 48;
    private const int MaximumOverlay = 64;
    private const int MostKnocks = 64;
    private const int AllowedIpCost = 36; // with the room that a list keeps free

    private const string Key = "expected 64 hexadecimal digits";
    private const string Unknown = "there is no such key here";
    private const string TrueOrFalse = "expected 'true' or 'false'";
    private const string OnlyTrue = "expected 'true'";
    private const string RequestOrAnswer = "expected 'request' or 'answer'";

    private static readonly SearchValues<byte> NameBytes = SearchValues.Create("abcdefghijklmnopqrstuvwxyz_"u8);

    private readonly DeviceChange _change = new();
    private PeerChange? _peer;

    /// <summary>About how many bytes of memory the change takes.</summary>
    public int HeldBytes { get; private set; }

    /// <summary>Reads one line that is not empty. After an error, the parser is of no more use.</summary>
    public UapiError? ReadLine(ReadOnlySpan<byte> line)
    {
        if (line.ContainsAnyExceptInRange((byte)' ', (byte)'~'))
            return new UapiError(UapiError.Protocol, "A line has bytes that are not printable ASCII.");
        int equals = line.IndexOf((byte)'=');
        if (equals < 0)
            return new UapiError(UapiError.Protocol, "A line has no '='.");
        ReadOnlySpan<byte> key = line[..equals];
        ReadOnlySpan<byte> value = line[(equals + 1)..];

        string? expected = key.SequenceEqual("public_key"u8) ? ReadPublicKey(value)
            : _peer is null ? ReadDeviceKey(key, value)
            : ReadPeerKey(_peer, key, value);
        if (expected is null)
            return null;
        // A secret is never put in words, nor is what might be one because its name is misspelt or stands elsewhere.
        if (expected is Unknown && key.ContainsAnyExcept(NameBytes))
            return new UapiError(UapiError.Invalid, "A key is no name of lower-case letters.");
        bool secret = expected is Key or Unknown;
        return new UapiError(UapiError.Invalid, $"'{Encoding.ASCII.GetString(secret ? key : line)}': {expected}.");
    }

    /// <summary>Hands over the change. The caller disposes it.</summary>
    public DeviceChange Finish() => _change;

    /// <summary>Zeroes the secret keys of a change that is not going to be finished.</summary>
    public void Dispose() => _change.Dispose();

    private string? ReadPublicKey(ReadOnlySpan<byte> value)
    {
        Span<byte> bytes = stackalloc byte[KeySize];
        if (!TryReadHex(value, bytes))
            return Key;
        _peer = new PeerChange(PublicKey.FromBytes(bytes));
        _change.Peers.Add(_peer);
        HeldBytes += PeerCost;
        return null;
    }

    private string? ReadDeviceKey(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        if (key.SequenceEqual("private_key"u8))
            return ReadSecret(value, _change.PrivateKey ??= new byte[KeySize]);
        if (key.SequenceEqual("listen_port"u8))
        {
            if (!TryReadDecimal(value, ushort.MaxValue, out uint port))
                return "expected a port from 0 to 65535";
            _change.ListenPort = (ushort)port;
            return null;
        }
        if (key.SequenceEqual("fwmark"u8))
        {
            if (!TryReadDecimal(value, uint.MaxValue, out uint mark))
                return "expected a mark from 0 to 4294967295";
            _change.Fwmark = mark;
            return null;
        }
        if (key.SequenceEqual("replace_peers"u8))
            return (_change.ReplacePeers = IsTrue(value)) ? null : OnlyTrue;
        if (key.SequenceEqual("stun_server"u8))
            return ReadStunServer(value);
        if (key.SequenceEqual("replace_stun_servers"u8))
        {
            _change.StunServers.Clear(); // what stood before this line is replaced as well
            return (_change.ReplaceStunServers = IsTrue(value)) ? null : OnlyTrue;
        }
        if (key.SequenceEqual("replace_overlay"u8))
        {
            _change.Overlay = [];
            return IsTrue(value) ? null : OnlyTrue;
        }
        if (key.SequenceEqual("overlay"u8))
            return ReadOverlay(value);
        if (key.SequenceEqual("internal_network"u8))
        {
            _change.InternalNetwork = ReadBool(value);
            return _change.InternalNetwork is null ? TrueOrFalse : null;
        }
        if (key.SequenceEqual("replace_streams"u8))
        {
            _change.Stream = new StreamAccess([], [], "");
            return IsTrue(value) ? null : OnlyTrue;
        }
        if (key.SequenceEqual("stream"u8) || key.SequenceEqual("stream_pin"u8) || key.SequenceEqual("stream_identity"u8))
            return ReadStream(key, value);
        if (key.SequenceEqual("knock"u8))
            return (_change.Knock = ReadBool(value)) is null ? TrueOrFalse : null;
        if (key.SequenceEqual("knock_at"u8))
            return ReadKnock(value);
        if (key.SequenceEqual("not_found"u8))
            return ReadNotFound(value);
        if (key.SequenceEqual("relay"u8))
            return (_change.Relay = ReadBool(value)) is null ? TrueOrFalse : null;
        if (key.SequenceEqual("relay_rate"u8))
        {
            _change.RelayRate = TryReadDecimal(value, uint.MaxValue, out uint kilobits) ? kilobits * 1000L : 0;
            return TryReadDecimal(value, uint.MaxValue, out _) ? null : "expected kilobits a second";
        }
        return Unknown;
    }

    private string? ReadPeerKey(PeerChange peer, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        if (key.SequenceEqual("allowed_ip"u8))
            return ReadAllowedIp(peer, value);
        if (key.SequenceEqual("preshared_key"u8))
            return ReadSecret(value, peer.PresharedKey ??= new byte[KeySize]);
        if (key.SequenceEqual("endpoint"u8))
            return ReadEndpoint(peer, value);
        if (key.SequenceEqual("persistent_keepalive_interval"u8))
        {
            if (!TryReadDecimal(value, ushort.MaxValue, out uint seconds))
                return "expected seconds from 0 to 65535";
            peer.PersistentKeepaliveInterval = (ushort)seconds;
            return null;
        }
        if (key.SequenceEqual("protocol_version"u8))
            return value.SequenceEqual("1"u8) ? null : "expected 1, the only version";
        if (key.SequenceEqual("replace_allowed_ips"u8))
        {
            peer.AllowedIps.Clear(); // what stood before this line is replaced as well
            return (peer.ReplaceAllowedIps = IsTrue(value)) ? null : OnlyTrue;
        }
        if (key.SequenceEqual("replace_candidates"u8))
        {
            peer.Candidates = [];
            return IsTrue(value) ? null : OnlyTrue;
        }
        if (key.SequenceEqual("candidate"u8))
            return ReadCandidate(peer, value);
        if (key.SequenceEqual("introduction"u8))
            return (peer.Introduction = ReadIsAnswer(value)) is null ? RequestOrAnswer : null;
        if (key.SequenceEqual("introduce_by_peers"u8))
            return (peer.IntroductionByPeers = ReadIsAnswer(value)) is null ? RequestOrAnswer : null;
        if (key.SequenceEqual("connect"u8))
            return (peer.Connect = IsTrue(value)) ? null : OnlyTrue;
        if (key.SequenceEqual("knock"u8))
            return (peer.Knock = IsTrue(value)) ? null : OnlyTrue;
        if (key.SequenceEqual("frame"u8))
            return ReadFrame(peer, value);
        if (key.SequenceEqual("may_relay"u8))
            return (peer.MayRelay = ReadBool(value)) is null ? TrueOrFalse : null;
        if (key.SequenceEqual("remove"u8))
            return (peer.Remove = IsTrue(value)) ? null : OnlyTrue;
        if (key.SequenceEqual("update_only"u8))
            return (peer.UpdateOnly = IsTrue(value)) ? null : OnlyTrue;
        return Unknown;
    }

    private string? ReadNotFound(ReadOnlySpan<byte> value)
    {
        if (!IpAddress.TryParse(Encoding.ASCII.GetString(value), out IpAddress address) || _change.NotFound.Count == PendingLookups.MaximumAddresses)
            return $"expected an address, at most {PendingLookups.MaximumAddresses} of them";
        _change.NotFound.Add(address);
        return null;
    }

    private string? ReadFrame(PeerChange peer, ReadOnlySpan<byte> value)
    {
        byte[] frame = new byte[value.Length / 2];
        bool isHex = value.Length % 2 == 0 && Convert.FromHexString(value, frame, out _, out _) == OperationStatus.Done;
        if (!isHex || frame.Length is 0 or > ControlFrame.MaximumSize || peer.Frames.Count == PeerChange.MostFrames)
            return $"expected up to {ControlFrame.MaximumSize} bytes in hexadecimal digits, at most {PeerChange.MostFrames} times";
        HeldBytes += frame.Length;
        peer.Frames.Add(frame);
        return null;
    }

    private string? ReadKnock(ReadOnlySpan<byte> value)
    {
        if (!Endpoint.TryParse(Encoding.ASCII.GetString(value), out Endpoint at) || at.Port == 0 || _change.KnockAt.Count == MostKnocks)
            return $"expected an endpoint such as 192.0.2.1:7891, at most {MostKnocks}";
        _change.KnockAt.Add(at);
        return null;
    }

    private string? ReadOverlay(ReadOnlySpan<byte> value)
    {
        if (_change.Overlay is null)
            return "expected 'replace_overlay=true' before";
        if (!IpPrefix.TryParse(Encoding.ASCII.GetString(value), out IpPrefix prefix))
            return "expected a prefix such as 10.0.0.0/8 or fd00::/64";
        if (_change.Overlay.Count == MaximumOverlay)
            return $"expected at most {MaximumOverlay} prefixes";
        _change.Overlay = [.. _change.Overlay, prefix];
        return null;
    }

    private string? ReadStream(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        if (_change.Stream is not { } before)
            return "expected 'replace_streams=true' before";
        string? expected = StreamAccess.TakeLine(before, Encoding.ASCII.GetString(key), Encoding.ASCII.GetString(value), out StreamAccess after);
        _change.Stream = after;
        return expected;
    }

    private string? ReadCandidate(PeerChange peer, ReadOnlySpan<byte> value)
    {
        if (peer.Candidates is null)
            return "expected 'replace_candidates=true' before";
        if (!EndpointKinds.TryParse(Encoding.ASCII.GetString(value), out PeerEndpoint candidate))
            return "expected a kind and an endpoint, such as local 192.0.2.1:51820";
        if (peer.Candidates.Count == MaximumCandidates)
            return $"expected at most {MaximumCandidates} candidates";
        peer.Candidates = [.. peer.Candidates, candidate];
        HeldBytes += CandidateCost;
        return null;
    }

    private string? ReadAllowedIp(PeerChange peer, ReadOnlySpan<byte> value)
    {
        bool remove = value.StartsWith((byte)'-');
        Span<char> text = stackalloc char[value.Length];
        Encoding.ASCII.GetChars(value, text);
        if (remove)
            text = text[1..];
        if (!text.Contains('/') || !IpPrefix.TryParse(text, out IpPrefix prefix))
            return "expected a prefix such as 10.0.0.0/8 or fd00::/64";
        peer.AllowedIps.Add(new AllowedIpChange(prefix, remove));
        HeldBytes += AllowedIpCost;
        return null;
    }

    private string? ReadEndpoint(PeerChange peer, ReadOnlySpan<byte> value)
    {
        const string Expected = "expected an endpoint such as 192.0.2.1:51820 or [2001:db8::1]:51820";
        string text = Encoding.ASCII.GetString(value);
        uint scope = 0;
        int percent = text.IndexOf('%', StringComparison.Ordinal);
        if (percent >= 0)
        {
            int bracket = text.IndexOf(']', percent);
            if (bracket < 0)
                return Expected;
            if (!TryReadDecimal(value[(percent + 1)..bracket], uint.MaxValue, out scope))
                scope = interfaceIndex(text[(percent + 1)..bracket]);
            if (scope == 0)
                return "there is no such interface";
            text = text.Remove(percent, bracket - percent);
        }
        if (!Endpoint.TryParse(text, out Endpoint endpoint) || (scope != 0 && !endpoint.Address.IsIPv6))
            return Expected;
        peer.Endpoint = endpoint with { ScopeId = scope };
        return null;
    }

    private string? ReadStunServer(ReadOnlySpan<byte> value)
    {
        if (!Endpoint.TryParse(Encoding.ASCII.GetString(value), out Endpoint server) || !StunClient.CanAsk(server))
            return "expected a server such as 192.0.2.1:3478 or [2001:db8::1]:3478";
        if (_change.StunServers.Count == StunClient.MaximumServers)
            return $"expected at most {StunClient.MaximumServers} servers";
        _change.StunServers.Add(server);
        return null;
    }

    private static string? ReadSecret(ReadOnlySpan<byte> value, byte[] key) => TryReadHex(value, key) ? null : Key;

    private static bool IsTrue(ReadOnlySpan<byte> value) => value.SequenceEqual("true"u8);

    private static bool? ReadBool(ReadOnlySpan<byte> value) => IsTrue(value) ? true : value.SequenceEqual("false"u8) ? false : null;

    private static bool? ReadIsAnswer(ReadOnlySpan<byte> value) =>
        value.SequenceEqual("answer"u8) ? true : value.SequenceEqual("request"u8) ? false : null;

    private static bool TryReadHex(ReadOnlySpan<byte> text, Span<byte> bytes) =>
        text.Length == 2 * bytes.Length && Convert.FromHexString(text, bytes, out _, out _) == OperationStatus.Done;

    // int.TryParse allows for trailing zero bytes and culture; this does not.
    private static bool TryReadDecimal(ReadOnlySpan<byte> text, uint maximum, out uint number)
    {
        ulong value = 0;
        foreach (byte digit in text)
        {
            value = value * 10 + (uint)(digit - '0');
            if (!char.IsAsciiDigit((char)digit) || value > maximum)
            {
                number = 0;
                return false;
            }
        }
        number = (uint)value;
        return !text.IsEmpty;
    }
}
