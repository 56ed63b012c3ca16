using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard.Uapi;

/// <summary>By what a device opens a stream to its controller, once it needs one.</summary>
/// <param name="Servers">Where the controller is, best first.</param>
/// <param name="Pins">By what it is known: SHA-256 of its authorities' SubjectPublicKeyInfo.</param>
/// <param name="Identity">The folder with the node's certificate and identity key.</param>
public sealed record StreamAccess(IReadOnlyList<EndpointName> Servers, IReadOnlyList<Sha256Digest> Pins, string Identity)
{
    /// <summary>Characters of the longest server's name.</summary>
    public const int LongestHost = 200;

    /// <summary>Characters of the longest folder, as it is written.</summary>
    public const int LongestIdentity = 230;

    /// <summary>How many servers and pins there are at most.</summary>
    public const int MostServers = 16, MostPins = 16;

    /// <inheritdoc/>
    public bool Equals(StreamAccess? other) =>
        other is not null && Identity == other.Identity && Servers.SequenceEqual(other.Servers) && Pins.SequenceEqual(other.Pins);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Identity, Servers.Count, Pins.Count);

    /// <summary>The lines of a configuration that say so, each without its end.</summary>
    public IEnumerable<string> ToLines() =>
    [
        .. Servers.Select(server => $"stream={server}"),
        .. Pins.Select(pin => $"stream_pin={pin}"),
        $"stream_identity={Uri.EscapeDataString(Identity)}",
    ];

    /// <summary>Takes a line of a configuration.</summary>
    /// <param name="before">What the lines before it have said.</param>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <param name="after">What is said with this line.</param>
    /// <returns>Null, or what was expected.</returns>
    public static string? TakeLine(StreamAccess before, string key, string value, out StreamAccess after)
    {
        after = before;
        switch (key)
        {
            case "stream" when EndpointName.TryParse(value) is { Host.Length: <= LongestHost } server && before.Servers.Count < MostServers:
                after = before with { Servers = [.. before.Servers, server] };
                return null;
            case "stream_pin" when Sha256Digest.TryParse(value, out Sha256Digest pin) && before.Pins.Count < MostPins:
                after = before with { Pins = [.. before.Pins, pin] };
                return null;
            case "stream_identity" when value.Length is > 0 and <= LongestIdentity:
                after = before with { Identity = Uri.UnescapeDataString(value) };
                return null;
            default:
                return key == "stream" ? $"expected a server such as controller.example:443, at most {MostServers}"
                    : key == "stream_pin" ? $"expected a SHA-256 in base64url, at most {MostPins}"
                    : $"expected a folder, at most {LongestIdentity} characters";
        }
    }
}
