using System.Text.Json.Serialization;

namespace Kedge.Node.ControlLink;

/// <summary>What a control link tells about itself, to <c>kedge status</c> and whoever else asks. No secret is in it.</summary>
public sealed record LinkStatus
{
    /// <summary>The interface.</summary>
    public required string Interface { get; init; }

    /// <summary>The node's name.</summary>
    public required string Name { get; init; }

    /// <summary>The node's identifier.</summary>
    public required Guid NodeId { get; init; }

    /// <summary>The network's identifier, base64url.</summary>
    public required string Network { get; init; }

    /// <summary>The zone's name.</summary>
    public required string Zone { get; init; }

    /// <summary>The zone's prefixes.</summary>
    public required IReadOnlyList<string> ZonePrefixes { get; init; }

    /// <summary>The node's addresses.</summary>
    public required IReadOnlyList<string> Addresses { get; init; }

    /// <summary>The networks behind the node.</summary>
    public required IReadOnlyList<string> ChildPrefixes { get; init; }

    /// <summary>The network namespace that the interface is in; null for this one.</summary>
    public string? NetworkNamespace { get; init; }

    /// <summary>The connection to the controller.</summary>
    public required ControllerConnection Controller { get; init; }

    /// <summary>The revision of the map that is applied; 0 for none.</summary>
    public long Revision { get; init; }

    /// <summary>When the node's certificate ends; null while it has none.</summary>
    public DateTimeOffset? CertificateExpiresAt { get; init; }

    /// <summary>When it is to be renewed.</summary>
    public DateTimeOffset? CertificateRenewsAt { get; init; }

    /// <summary>Where the others are told to reach this node, as <c>ADDRESS:PORT (KIND)</c>.</summary>
    public IReadOnlyList<string> Endpoints { get; init; } = [];

    /// <summary>Whether the node is behind a NAT, as far as STUN tells.</summary>
    public bool BehindNat { get; init; }

    /// <summary>How NATs map the port, as far as STUN tells: <c>Unknown</c>, <c>EndpointIndependent</c> or
    /// <c>EndpointDependent</c>.</summary>
    public string? NatMapping { get; init; }

    /// <summary>Whether the gateway maps the port, and from where, in words; null where it is not asked to.</summary>
    public string? PortMapping { get; init; }

    /// <summary>The introductions that the node process has wished for.</summary>
    public IntroductionCounts Introductions { get; init; } = new(0, 0);

    /// <summary>The peers that are installed.</summary>
    public IReadOnlyList<LinkPeer> Peers { get; init; } = [];

    /// <summary>Records of the map that are not installed, and why.</summary>
    public IReadOnlyList<LinkRefusal> Refused { get; init; } = [];

    /// <summary>What does not work at present, as sentences; empty when all is well.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>What the machine cannot do, as sentences, such as IPv6: it costs that alone.</summary>
    public IReadOnlyList<string> Limits { get; init; } = [];
}

/// <summary>A connection to a controller.</summary>
/// <param name="Url">The controller's address.</param>
/// <param name="Connected">Whether the map stream is open now.</param>
/// <param name="Since">Since when it is, or is not; null when it never was.</param>
/// <param name="LastError">Why it is not, as a sentence; null for no reason.</param>
public sealed record ControllerConnection(string Url, bool Connected, DateTimeOffset? Since, string? LastError);

/// <summary>A peer of the zone.</summary>
/// <param name="Id">Its identifier.</param>
/// <param name="Name">Its name.</param>
/// <param name="PublicKey">Its WireGuard key.</param>
/// <param name="Addresses">Its addresses.</param>
/// <param name="Prefixes">All that is routed to it, its addresses included.</param>
/// <param name="Candidates">Where it may be reached, best first.</param>
public sealed record LinkPeer(
    Guid Id, string Name, string PublicKey, IReadOnlyList<string> Addresses, IReadOnlyList<string> Prefixes, IReadOnlyList<string> Candidates)
{
    /// <summary>Why the last introduction to it was not passed on, as a clause; null where it was, and where none was asked for.</summary>
    public string? IntroductionRefusal { get; init; }
}

/// <summary>What became of introductions to peers, since the control link was started.</summary>
/// <param name="PassedOn">How many the controller has passed on.</param>
/// <param name="Refused">How many it has refused, or could not be asked for.</param>
public sealed record IntroductionCounts(long PassedOn, long Refused);

/// <summary>A record of the map that is not installed.</summary>
/// <param name="Resource">The record, such as <c>peer/ID</c>.</param>
/// <param name="Reason">Why, as a sentence.</param>
public sealed record LinkRefusal(string Resource, string Reason);

/// <summary>How a control link's state is written as JSON.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(LinkStatus))]
public sealed partial class LinkStatusJson : JsonSerializerContext;
