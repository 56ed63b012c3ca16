using System.Buffers.Binary;
using Kedge.Crypto;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.PortMapping;

/// <summary>
/// Has the gateway of this machine's network map one UDP port, by PCP (RFC 6887) or NAT-PMP (RFC 6886), so that others reach it although
/// they were not spoken to first; and keeps the mapping. It is handed datagrams, time and randomness, and says what is to be sent.
/// <para>
/// A gateway is asked in both protocols by turns until it has answered in one, 0.25 s after the first request and at twice the interval each
/// time: sooner than PCP's 3 s, because a person may be waiting for it. A mapping is asked for 20 minutes and renewed after half of that, so
/// that a gateway that was restarted has it again soon, and a machine that is gone leaves little behind. Owned by one thread.
/// </para>
/// </summary>
public sealed class PortMappingClient
{
    /// <summary>Bytes of the longest request.</summary>
    public const int MaximumRequest = PcpMessage.Size;

    /// <summary>For how long a mapping is asked.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(20);

    /// <summary>How long a request waits for its first repetition; each further wait is twice as long.</summary>
    public static readonly TimeSpan InitialTimeout = TimeSpan.FromMilliseconds(250);

    /// <summary>How long a gateway that has not answered, or has refused without saying for how long, is left alone.</summary>
    public static readonly TimeSpan RetryInterval = TimeSpan.FromMinutes(10);

    /// <summary>How many times a request is sent before it is given up, 7.75 s after the first time.</summary>
    public const int Attempts = 5;

    // The bounds of RFC 6887, section 7.4, for errors.
    private static readonly TimeSpan ShortestError = TimeSpan.FromSeconds(30), LongestError = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan ShortestRenewal = TimeSpan.FromSeconds(4); // section 11.2.1
    private static readonly TimeSpan LongestLifetime = TimeSpan.FromDays(1); // section 15

    private static readonly IpPrefix[] NotPublic =
    [
        IpPrefix.Parse("0.0.0.0/8"), IpPrefix.Parse("10.0.0.0/8"), IpPrefix.Parse("100.64.0.0/10"), IpPrefix.Parse("127.0.0.0/8"),
        IpPrefix.Parse("169.254.0.0/16"), IpPrefix.Parse("172.16.0.0/12"), IpPrefix.Parse("192.168.0.0/16"), IpPrefix.Parse("224.0.0.0/3"),
    ];

    private readonly RandomBytes _random;
    private readonly byte[] _nonceKey = new byte[HmacBlake2s.MacSize];
    private readonly byte[] _nonce = new byte[PcpMessage.NonceSize];
    private readonly Queue<byte[]> _due = new(); // written, but not handed out yet
    private Language _language;
    private Instant _expires = Instant.Never; // while there is a mapping
    private int _attempts; // of the request that is under way
    private IpAddress _natPmpAddress; // NAT-PMP tells the address and the mapping apart
    private PortMappingResponse? _natPmpMapping;
    private ushort _suggestedPort;

    private enum Language
    {
        Unknown,
        Pcp,
        NatPmp,
    }

    /// <summary>A client without a target.</summary>
    /// <param name="secret">
    /// What nonces are derived from, 16 bytes or more: a gateway lets only who knows a mapping's nonce change it (RFC 6887, section 11.2), also
    /// after a restart of this machine.
    /// </param>
    /// <param name="random">Spreads renewals.</param>
    public PortMappingClient(ReadOnlySpan<byte> secret, RandomBytes random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(secret.Length, 16);
        _random = random;
        HmacBlake2s.Compute(secret, "kedge PCP nonce"u8, _nonceKey);
    }

    /// <summary>What is mapped.</summary>
    public PortMappingTarget Target { get; private set; }

    /// <summary>From where the port is reached; none where it is not mapped.</summary>
    public Endpoint External { get; private set; }

    /// <summary>Why it is not mapped. Nothing may be known yet, and then it is none.</summary>
    public PortMappingError Error { get; private set; }

    /// <summary>When <see cref="Poll"/> is to be called again.</summary>
    public Instant NextDeadline { get; private set; } = Instant.Never;

    /// <summary>
    /// Maps this from now on. What was mapped before is deleted where the gateway is still the same; one that is not there any more forgets it
    /// by itself. Nothing happens where it is what is mapped already.
    /// </summary>
    public void Use(Instant now, PortMappingTarget target)
    {
        if (target == Target)
            return;
        _due.Clear();
        if (!External.IsNone && (target.IsNone || target.Gateway == Target.Gateway))
            _due.Enqueue(Request(lifetime: 0));
        if (target.Gateway != Target.Gateway)
            _language = Language.Unknown;
        Target = target;
        DeriveNonce();
        _suggestedPort = target.Port;
        Restart(now);
    }

    /// <summary>Asks again at once: the gateway may be another one, or have forgotten.</summary>
    public void Restart(Instant now)
    {
        (External, Error, _expires, _attempts) = (default, PortMappingError.None, Instant.Never, 0);
        NextDeadline = Target.IsNone && _due.Count == 0 ? Instant.Never : now;
    }

    /// <summary>Writes what is due by now. To be called again until it returns 0.</summary>
    /// <param name="now">The time.</param>
    /// <param name="request">Where a request goes, from index 0: at least <see cref="MaximumRequest"/> bytes.</param>
    /// <returns>The request's length; it goes to the server of <see cref="Target"/>, or of the one before where it deletes a mapping of that.</returns>
    public int Poll(Instant now, Span<byte> request)
    {
        if (now >= _expires)
            (External, Error, _expires) = (default, PortMappingError.NoAnswer, Instant.Never);
        if (_due.Count == 0 && now >= NextDeadline)
            Advance(now);
        if (!_due.TryDequeue(out byte[]? next))
            return 0;
        next.CopyTo(request);
        if (Target.IsNone)
            NextDeadline = Instant.Never;
        return next.Length;
    }

    /// <summary>Takes a datagram.</summary>
    /// <param name="now">The time.</param>
    /// <param name="datagram">The datagram.</param>
    /// <param name="source">Where it came from. Only the gateway is believed.</param>
    /// <returns>Whether it was an answer to what was asked.</returns>
    public bool Receive(Instant now, ReadOnlySpan<byte> datagram, Endpoint source)
    {
        if (Target.IsNone || source != Target.Server || _attempts == 0)
            return false;
        if (_language != Language.NatPmp && PcpMessage.TryParse(datagram, _nonce, Target.Port, out PortMappingResponse response))
        {
            Take(now, response, Language.Pcp);
            return true;
        }
        if (_language == Language.Pcp)
            return false;
        if (NatPmpMessage.TryParseAddress(datagram, out IpAddress address, out PortMappingError error))
        {
            _natPmpAddress = address;
            if (error != PortMappingError.None)
                Take(now, new(default, error, TimeSpan.Zero), Language.NatPmp);
        }
        else if (NatPmpMessage.TryParseMapping(datagram, Target.Port, out response))
        {
            _natPmpMapping = response;
            if (response.Error != PortMappingError.None)
                Take(now, response, Language.NatPmp);
        }
        else
        {
            return false;
        }
        if (_natPmpMapping is { Error: PortMappingError.None } mapping && !_natPmpAddress.IsNone)
            Take(now, mapping with { External = mapping.External with { Address = _natPmpAddress } }, Language.NatPmp);
        return true;
    }

    private void Take(Instant now, PortMappingResponse response, Language language)
    {
        if (response.Error == PortMappingError.UnsupportedVersion)
        {
            // The version of this answer is the one that it does speak (RFC 6886, section 3.5; RFC 6887, section 9).
            if (_language == Language.Unknown)
                (_language, NextDeadline) = (language, now);
            return;
        }
        _language = language;
        TimeSpan lifetime = response.Lifetime < LongestLifetime ? response.Lifetime : LongestLifetime;
        PortMappingError error = response.Error != PortMappingError.None ? response.Error
            : lifetime <= TimeSpan.Zero || response.External.Port == 0 || !response.External.Address.IsIPv4 ? PortMappingError.Failed
            : Array.Exists(NotPublic, prefix => prefix.Contains(response.External.Address)) ? PortMappingError.GatewayBehindNat
            : PortMappingError.None;
        if (error != PortMappingError.None)
        {
            Refuse(now, error, lifetime);
            return;
        }
        (External, Error, _attempts, _suggestedPort) = (response.External, PortMappingError.None, 0, response.External.Port);
        _expires = now + lifetime;
        NextDeadline = now + Later(lifetime * 0.5 * (1 + 0.25 * Fraction()), ShortestRenewal);
    }

    private void Refuse(Instant now, PortMappingError error, TimeSpan lifetime)
    {
        TimeSpan wait = lifetime <= TimeSpan.Zero ? RetryInterval
            : lifetime < ShortestError ? ShortestError
            : lifetime > LongestError ? LongestError
            : lifetime;
        (External, Error, _expires, _attempts) = (default, error, Instant.Never, 0);
        NextDeadline = now + wait;
    }

    /// <summary>Begins a request, repeats it, or gives it up.</summary>
    private void Advance(Instant now)
    {
        if (Target.IsNone)
        {
            NextDeadline = Instant.Never;
            return;
        }
        if (_attempts == Attempts)
        {
            _attempts = 0;
            if (External.IsNone)
            {
                Error = PortMappingError.NoAnswer;
                _language = Language.Unknown; // it may be another machine by the next time
                NextDeadline = now + RetryInterval;
            }
            else
            {
                NextDeadline = Instant.Earlier(_expires, now + Later((_expires - now) * 0.5, ShortestRenewal));
            }
            return;
        }
        if (_attempts == 0)
            (_natPmpAddress, _natPmpMapping) = (default, null);
        bool inPcp = _language == Language.Pcp || (_language == Language.Unknown && _attempts % 2 == 0);
        if (!inPcp)
            _due.Enqueue(AddressRequest());
        _due.Enqueue(Request((uint)Lifetime.TotalSeconds, inPcp));
        NextDeadline = now + InitialTimeout * (1 << _attempts);
        _attempts++;
    }

    private void DeriveNonce()
    {
        Span<byte> target = stackalloc byte[10], mac = stackalloc byte[HmacBlake2s.MacSize];
        target.Clear();
        Target.Gateway.CopyTo(target);
        Target.Client.CopyTo(target[4..]);
        BinaryPrimitives.WriteUInt16BigEndian(target[8..], Target.Port);
        HmacBlake2s.Compute(_nonceKey, target, mac);
        mac[.._nonce.Length].CopyTo(_nonce);
    }

    private byte[] Request(uint lifetime, bool? inPcp = null)
    {
        byte[] request = new byte[MaximumRequest];
        int length = inPcp ?? _language == Language.Pcp
            ? PcpMessage.WriteRequest(
                request, Target.Client, _nonce, Target.Port, lifetime == 0 ? default : new Endpoint(External.Address, _suggestedPort), lifetime)
            : NatPmpMessage.WriteMapRequest(request, Target.Port, _suggestedPort, lifetime);
        return request[..length];
    }

    private static byte[] AddressRequest()
    {
        byte[] request = new byte[NatPmpMessage.AddressRequestSize];
        _ = NatPmpMessage.WriteAddressRequest(request);
        return request;
    }

    private static TimeSpan Later(TimeSpan span, TimeSpan atLeast) => span > atLeast ? span : atLeast;

    private double Fraction()
    {
        Span<byte> bytes = stackalloc byte[4];
        _random(bytes);
        return BitConverter.ToUInt32(bytes) / (double)uint.MaxValue;
    }
}
