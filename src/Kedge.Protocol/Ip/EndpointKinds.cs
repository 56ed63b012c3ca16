namespace Kedge.Protocol.Ip;

/// <summary>How kinds of endpoints are written: to the controller, to a device, and for people.</summary>
public static class EndpointKinds
{
    /// <summary>The word for a kind.</summary>
    public static string ToText(this PeerEndpointKind kind) => kind switch
    {
        PeerEndpointKind.Fixed => "fixed",
        PeerEndpointKind.Reflexive => "reflexive",
        PeerEndpointKind.Mapped => "mapped",
        PeerEndpointKind.Heard => "heard",
        _ => "local",
    };

    /// <summary>Reads <c>KIND ENDPOINT</c>.</summary>
    public static bool TryParse(string text, out PeerEndpoint endpoint)
    {
        endpoint = default;
        int space = text.IndexOf(' ', StringComparison.Ordinal);
        foreach (PeerEndpointKind kind in Enum.GetValues<PeerEndpointKind>())
        {
            if (space < 0 || !text.AsSpan(0, space).SequenceEqual(kind.ToText()))
                continue;
            bool isEndpoint = Endpoint.TryParse(text.AsSpan(space + 1), out Endpoint address) && address.Port != 0;
            endpoint = new PeerEndpoint(address, kind);
            return isEndpoint;
        }
        return false;
    }
}
