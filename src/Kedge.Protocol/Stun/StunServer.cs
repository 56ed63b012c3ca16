using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;

namespace Kedge.Protocol.Stun;

/// <summary>
/// Answers Binding requests (RFC 8489, section 6.3.1): tells whoever asks where the request came from. It is handed datagrams and returns
/// datagrams; of its clients it remembers only how much each has asked lately. Any thread.
/// <para>
/// Anybody may ask under a false address, so it must be of no use for flooding others: an answer is at most 24 bytes longer than the
/// request, there are no words in it, and a source gets <see cref="PerSecond"/> a second. False addresses cost nothing to invent, so all
/// strangers together get <see cref="TogetherPerSecond"/>, and sources from which somebody has authenticated lately come on top.
/// </para>
/// </summary>
public sealed class StunServer
{
    /// <summary>The registered UDP port.</summary>
    public const ushort DefaultPort = 3478;

    /// <summary>Bytes of the longest response.</summary>
    public const int MaximumResponse = 56;

    /// <summary>Requests a second that a source may keep up.</summary>
    public const int PerSecond = 20;

    /// <summary>Requests that a source may send at once after a pause: what a site of many nodes does when the network comes back.</summary>
    public const int Burst = 50;

    /// <summary>Requests a second from all sources together that are not known.</summary>
    public const int TogetherPerSecond = 2000;

    private const int UnknownAttributeCode = 420;
    private const int MaximumUnknown = 8;

    private readonly StrangerBudget _budget;

    /// <summary>A server that nobody has asked yet.</summary>
    /// <param name="known">The sources from which somebody has authenticated lately; null for none.</param>
    public StunServer(KnownSources? known = null) => _budget = new StrangerBudget(
        new StrangerLimits(PerSecond, Burst) { TogetherPerSecond = TogetherPerSecond, TogetherBurst = TogetherPerSecond }, known);

    /// <summary>Answers a datagram.</summary>
    /// <param name="now">The time.</param>
    /// <param name="request">What was received.</param>
    /// <param name="source">Where it came from; an IPv4-mapped address means the IPv4 address in it.</param>
    /// <param name="response">Where the response goes, from index 0: at least <see cref="MaximumResponse"/> bytes.</param>
    /// <returns>
    /// The response's length in bytes, to be sent to <paramref name="source"/> from where the request arrived; 0 for no answer: it is no
    /// Binding request of RFC 5389 or later, its source cannot be a single machine, or has asked too much.
    /// </returns>
    public int Answer(Instant now, ReadOnlySpan<byte> request, Endpoint source, Span<byte> response)
    {
        IpAddress address = source.Address.Unmapped();
        return source.Port != 0 && StunAddress.IsUnicast(address) && IsRequest(request) && _budget.TrySpend(now, address)
            ? Answer(request, new Endpoint(address, source.Port), response)
            : 0;
    }

    private static bool IsRequest(ReadOnlySpan<byte> datagram) =>
        StunMessage.TryParse(datagram, out StunMessage message) && message.Type == StunMessageType.BindingRequest;

    private static int Answer(ReadOnlySpan<byte> request, Endpoint source, Span<byte> response)
    {
        _ = StunMessage.TryParse(request, out StunMessage message);
        Span<StunAttribute> unknown = stackalloc StunAttribute[MaximumUnknown];
        int unknownCount = 0;
        bool hasFingerprint = false;
        foreach (StunMessage.Attribute attribute in message)
        {
            hasFingerprint |= attribute.Type == StunAttribute.Fingerprint;
            if (attribute.IsComprehensionRequired && !IsUnderstood(attribute.Type) && unknownCount < MaximumUnknown)
                unknown[unknownCount++] = attribute.Type;
        }

        var writer = new StunWriter(
            response, unknownCount == 0 ? StunMessageType.BindingSuccess : StunMessageType.BindingError, message.TransactionId);
        if (unknownCount == 0)
        {
            writer.AddXorMappedAddress(source);
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

    /// <summary>Whether an attribute is known. What is known but means nothing here, such as credentials, is passed over.</summary>
    private static bool IsUnderstood(StunAttribute type) => Enum.IsDefined(type);
}
