namespace Kedge.Protocol.Ip;

/// <summary>How kinds of endpoints are written: to the controller, to a device, and for people.</summary>
public static class EndpointKinds
{
    /// <summary>The words for the kinds that a node may tell of itself.</summary>
    public static IReadOnlyList<string> Told { get; } = [.. from kind in Enum.GetValues<PeerEndpointKind>() where kind.IsTold() select kind.ToText()];

    /// <summary>The words for the kinds of which somebody else passes on what is for the node.</summary>
    public static IReadOnlyList<string> PassedOn { get; } =
        [.. from kind in Enum.GetValues<PeerEndpointKind>() where !kind.IsDirect() select kind.ToText()];

    /// <summary>Whether it is where the node itself receives by UDP, in the network below the overlay.</summary>
    public static bool IsDirect(this PeerEndpointKind kind) => kind is not (PeerEndpointKind.Relay or PeerEndpointKind.Stream);

    /// <summary>Whether a node may tell this of itself; where it was heard from, its peers find out.</summary>
    public static bool IsTold(this PeerEndpointKind kind) => kind != PeerEndpointKind.Heard;

    /// <summary>The word for a kind.</summary>
    public static string ToText(this PeerEndpointKind kind) => kind switch
    {
        PeerEndpointKind.Fixed => "fixed",
        PeerEndpointKind.Reflexive => "reflexive",
        PeerEndpointKind.Mapped => "mapped",
        PeerEndpointKind.Heard => "heard",
        PeerEndpointKind.Relay => "relay",
        PeerEndpointKind.Stream => "stream",
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
