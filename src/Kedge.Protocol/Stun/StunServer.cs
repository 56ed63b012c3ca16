using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;

namespace Kedge.Protocol.Stun;

/// <summary>
/// Answers Binding requests (RFC 8489, section 6.3.1): tells whoever asks where the request came from, and, where it has other addresses
/// or ports, answers from there when asked to, which shows what a NAT lets in (RFC 5780). It is handed datagrams and returns datagrams; of
/// its clients it remembers only how much each has asked lately. Any thread.
/// <para>
/// Anybody may ask under a false address, so it must be of no use for flooding others: an answer is longer than its request by one address at
/// most (12 bytes for IPv4, 24 for IPv6), which is 1.36 times the packet; there are no words in it, and a source gets
/// <see cref="PerSecond"/> a second. False addresses cost nothing to invent, so all strangers together get
/// <see cref="TogetherPerSecond"/>, and sources from which somebody has authenticated lately come on top.
/// </para>
/// <para>
/// Therefore RESPONSE-ORIGIN and OTHER-ADDRESS are told only to requests that are long enough, by SOFTWARE for instance. A server with two
/// ports of one address, for which RFC 5780 has no word, tells its other port by an OTHER-ADDRESS with the same address, and only to
/// requests with CHANGE-REQUEST: who looks for a second address must not take it for one. RESPONSE-PORT and PADDING are refused.
/// </para>
/// </summary>
public sealed class StunServer
{
    /// <summary>The registered UDP port.</summary>
    public const ushort DefaultPort = 3478;

    /// <summary>Bytes of the longest response.</summary>
    public const int MaximumResponse = StunMessage.HeaderSize + 3 * AddressSize + Fingerprint.AttributeSize;

    /// <summary>Requests a second that a source may keep up.</summary>
    public const int PerSecond = 20;

    /// <summary>Requests that a source may send at once after a pause: what a site of many nodes does when the network comes back.</summary>
    public const int Burst = 50;

    /// <summary>Requests a second from all sources together that are not known.</summary>
    public const int TogetherPerSecond = 2000;

    private const int AddressSize = 24; // of IPv6, with the attribute's header
    private const int UnknownAttributeCode = 420;
    private const int MaximumUnknown = 8;

    private readonly StrangerBudget _budget;

    /// <summary>A server that nobody has asked yet.</summary>
    /// <param name="known">The sources from which somebody has authenticated lately; null for none.</param>
    public StunServer(KnownSources? known = null) => _budget = new StrangerBudget(
        new StrangerLimits(PerSecond, Burst) { TogetherPerSecond = TogetherPerSecond, TogetherBurst = TogetherPerSecond }, known);

    /// <summary>Answers a datagram as a server that has one endpoint.</summary>
    /// <inheritdoc cref="Answer(Instant, ReadOnlySpan{byte}, Endpoint, StunOrigins, Span{byte}, out Endpoint)"/>
    public int Answer(Instant now, ReadOnlySpan<byte> request, Endpoint source, Span<byte> response) =>
        Answer(now, request, source, default, response, out _);

    /// <summary>Answers a datagram.</summary>
    /// <param name="now">The time.</param>
    /// <param name="request">What was received.</param>
    /// <param name="source">Where it came from; an IPv4-mapped address means the IPv4 address in it.</param>
    /// <param name="origins">Where it arrived, and from where else it can be answered.</param>
    /// <param name="response">Where the response goes, from index 0: at least <see cref="MaximumResponse"/> bytes.</param>
    /// <param name="origin">From where the response is to be sent.</param>
    /// <returns>
    /// The response's length in bytes, to be sent to <paramref name="source"/>; 0 for no answer: it is no Binding request of RFC 5389 or
    /// later, its source cannot be a single machine, or has asked too much.
    /// </returns>
    public int Answer(
        Instant now, ReadOnlySpan<byte> request, Endpoint source, StunOrigins origins, Span<byte> response, out Endpoint origin)
    {
        IpAddress address = source.Address.Unmapped();
        origin = origins.Arrived;
        return source.Port != 0 && StunAddress.IsUnicast(address) && IsRequest(request) && _budget.TrySpend(now, address)
            ? Answer(request, new Endpoint(address, source.Port), origins, response, ref origin)
            : 0;
    }

    private static bool IsRequest(ReadOnlySpan<byte> datagram) =>
        StunMessage.TryParse(datagram, out StunMessage message) && message.Type == StunMessageType.BindingRequest;

    private static int Answer(
        ReadOnlySpan<byte> request, Endpoint source, StunOrigins origins, Span<byte> response, ref Endpoint origin)
    {
        _ = StunMessage.TryParse(request, out StunMessage message);
        Span<StunAttribute> unknown = stackalloc StunAttribute[MaximumUnknown];
        int unknownCount = 0;
        bool hasFingerprint = false, knowsChanges = message.TryReadChange(out StunChange change);
        foreach (StunMessage.Attribute attribute in message)
        {
            hasFingerprint |= attribute.Type == StunAttribute.Fingerprint;
            if (IsRefused(attribute, change, origins) && unknownCount < MaximumUnknown)
                unknown[unknownCount++] = attribute.Type;
        }

        var writer = new StunWriter(
            response, unknownCount == 0 ? StunMessageType.BindingSuccess : StunMessageType.BindingError, message.TransactionId);
        if (unknownCount == 0)
        {
            origin = origins.With(change.HasFlag(StunChange.Address), change.HasFlag(StunChange.Port));
            writer.AddXorMappedAddress(source);
            int room = request.Length - writer.Length + (source.Address.IsIPv4 ? AddressSize / 2 : AddressSize)
                - (hasFingerprint ? Fingerprint.AttributeSize : 0);
            AddOrigins(ref writer, origins, origin, knowsChanges, room);
        }
        else
        {
            writer.AddErrorCode(UnknownAttributeCode);
            writer.AddUnknownAttributes(unknown[..unknownCount]);
        }
        if (hasFingerprint)
            writer.AddFingerprint();
        return writer.Length;
    }

    /// <summary>Tells the server's endpoints, as far as there is room; the other one is worth more.</summary>
    private static void AddOrigins(ref StunWriter writer, StunOrigins origins, Endpoint origin, bool knowsChanges, int room)
    {
        if (origins.Arrived.IsNone)
            return;
        int size = StunMessage.AttributeHeaderSize + 4 + origins.Arrived.Address.Size;
        bool hasOther = origins.CanChangeAddress || (origins.CanChangePort && knowsChanges);
        if (room >= (hasOther ? 2 * size : size))
            writer.AddAddress(StunAttribute.ResponseOrigin, origin);
        if (room >= size && hasOther)
            writer.AddAddress(StunAttribute.OtherAddress, origins.Other);
    }

    /// <summary>
    /// Whether a request cannot be answered because of an attribute. What is known but means nothing here, such as credentials, is passed
    /// over; a change that cannot be made counts as unknown.
    /// </summary>
    private static bool IsRefused(StunMessage.Attribute attribute, StunChange change, StunOrigins origins) =>
        attribute.Type == StunAttribute.ChangeRequest
            ? attribute.Value.Length != sizeof(uint)
                || (change.HasFlag(StunChange.Address) && !origins.CanChangeAddress)
                || (change.HasFlag(StunChange.Port) && !origins.CanChangePort)
            : attribute.IsComprehensionRequired && !Enum.IsDefined(attribute.Type);
}
