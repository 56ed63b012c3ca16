using System.Diagnostics.CodeAnalysis;
using Kedge.Protocol;
using Kedge.Protocol.Enrolment;

namespace Kedge.Node.ControlLink;

/// <summary>Which controller a node talks to, and how it knows that it is the one.</summary>
/// <param name="Url">Where it is: <c>https://HOST:PORT</c>.</param>
/// <param name="Network">The identifier of the network that it serves.</param>
/// <param name="Pin">The SHA-256 of the SubjectPublicKeyInfo of the authority that certifies its TLS key.</param>
public sealed record ControllerAddress(Uri Url, Sha256Digest Network, Sha256Digest Pin)
{
    /// <summary>Pins of other authorities that it may be known by as well.</summary>
    public IReadOnlyList<Sha256Digest> OtherPins { get; init; } = [];

    /// <summary>Reads an address of a controller: <c>https://HOST:PORT</c>, with nothing behind it.</summary>
    public static bool TryParseUrl(string? text, [NotNullWhen(true)] out Uri? url) =>
        Uri.TryCreate(text, UriKind.Absolute, out url) && url is { Scheme: "https", PathAndQuery: "/", UserInfo: "", Fragment: "" };

    /// <summary>The controller that a join line names.</summary>
    public static ControllerAddress Of(JoinLine line) => new(new Uri(line.Url), line.Network, line.Pin) { OtherPins = line.OtherPins };
}
