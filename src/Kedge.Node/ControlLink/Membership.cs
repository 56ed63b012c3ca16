using System.Text.Json;
using System.Text.Json.Serialization;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Node.Routing;
using Kedge.Protocol;

namespace Kedge.Node.ControlLink;

/// <summary>What a person has asked <c>kedge up</c> for. It holds until asked for anew.</summary>
public sealed record NodeSettings
{
    /// <summary>MTU of the interface where nothing else is asked for: what WireGuard leaves of 1500 bytes with IPv6 below.</summary>
    public const int DefaultMtu = 1420;

    /// <summary>The node's name; null for the machine's.</summary>
    public string? Name { get; init; }

    /// <summary>The zone; null for the token's.</summary>
    public string? Zone { get; init; }

    /// <summary>The addresses that the node wants to have.</summary>
    public IReadOnlyList<string> RequestedAddresses { get; init; } = [];

    /// <summary>The networks behind the node.</summary>
    public IReadOnlyList<string> ChildPrefixes { get; init; } = [];

    /// <summary>Whether the node vanishes some time after it was last seen.</summary>
    public bool Ephemeral { get; init; }

    /// <summary>The UDP port; 0 for one of the kernel's choice, which is then kept.</summary>
    public int ListenPort { get; init; }

    /// <summary>Bytes of the longest packet.</summary>
    public int Mtu { get; init; } = DefaultMtu;

    /// <summary>The bit of the firewall mark on the node's own datagrams; null for <see cref="FirewallMark.Default"/>.</summary>
    public uint? Fwmark { get; init; }

    /// <summary>The mark of the node's own datagrams.</summary>
    [JsonIgnore]
    public FirewallMark Mark => Fwmark is { } bit ? new FirewallMark(bit) : FirewallMark.Default;

    /// <summary>The network namespace that the interface is put in; null for this one.</summary>
    public string? NetworkNamespace { get; init; }

    /// <summary>The file with the WireGuard private key; null for the node's own.</summary>
    public string? PrivateKeyFile { get; init; }

    /// <summary>Where the others are to reach this node, told instead of what STUN sees; empty for STUN.</summary>
    public IReadOnlyList<string> LocalEndpointAddresses { get; init; } = [];

    /// <summary>Whether all nodes are in one network, where local addresses reach them.</summary>
    public bool InternalNetwork { get; init; }
}

/// <summary>What an interface has joined: <c>link.json</c>. No secret is in it.</summary>
public sealed record Membership
{
    /// <summary>The status of a node that has its certificate.</summary>
    public const string Active = "active";

    /// <summary>The status of a node that waits for it.</summary>
    public const string Pending = "pending";

    /// <summary>The controller's address, such as <c>https://controller.example:8443</c>.</summary>
    public required string Controller { get; init; }

    /// <summary>The network's identifier, base64url.</summary>
    public required string Network { get; init; }

    /// <summary>The SHA-256 of the server authority's SubjectPublicKeyInfo, base64url.</summary>
    public required string Pin { get; init; }

    /// <summary>Pins of other authorities that the controller may be known by as well, base64url; null for none.</summary>
    public IReadOnlyList<string>? OtherPins { get; init; }

    /// <summary>What was asked for.</summary>
    public required NodeSettings Settings { get; init; }

    /// <summary><see cref="Active"/> or <see cref="Pending"/>.</summary>
    public required string Status { get; init; }

    /// <summary>What the network calls the node: what it asked for, or what an administrator has called it since.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// The SHA-256 of the identity key's SubjectPublicKeyInfo, base64url: what the holder of a locked network's master key compares. Null where
    /// an older version has joined.
    /// </summary>
    public string? IdentityKeyHash { get; init; }

    /// <summary>What a pending node waits for, in words; null for nothing.</summary>
    public string? Reason { get; init; }

    /// <summary>The node's identifier.</summary>
    public required Guid NodeId { get; init; }

    /// <summary>The zone's identifier.</summary>
    public required Guid ZoneId { get; init; }

    /// <summary>The zone's name.</summary>
    public required string ZoneName { get; init; }

    /// <summary>The zone's prefixes.</summary>
    public required IReadOnlyList<string> ZonePrefixes { get; init; }

    /// <summary>The node's addresses in the zone.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    /// <summary>The networks behind the node that were granted to it.</summary>
    public IReadOnlyList<string> ChildPrefixes { get; init; } = [];

    /// <summary>The controller, as a client knows it.</summary>
    /// <exception cref="UserError">What was kept makes no sense.</exception>
    [JsonIgnore]
    public ControllerAddress ControllerAddress =>
        Uri.TryCreate(Controller, UriKind.Absolute, out Uri? url)
        && Sha256Digest.TryParse(Network, out Sha256Digest network)
        && Sha256Digest.TryParse(Pin, out Sha256Digest pin)
            ? new ControllerAddress(url, network, pin) { OtherPins = [.. (OtherPins ?? []).Select(text => Sha256Digest.TryParse(text, out Sha256Digest other) ? other : pin)] }
            : throw new UserError($"The controller '{Controller}' that was kept, or its network or pin, makes no sense. Join again with 'kedge up --join-file FILE'.");

    /// <summary>Reads an interface's membership; null where it has joined nothing.</summary>
    /// <exception cref="UserError">The file cannot be read.</exception>
    public static Membership? Read(NodeFolder folder)
    {
        try
        {
            return NodeFolder.Read(folder.Membership) is { } json
                ? JsonSerializer.Deserialize(json, NodeJson.Default.Membership)
                : null;
        }
        catch (Exception e) when (e is LinuxException or JsonException)
        {
            throw new UserError(
                $"{folder.Membership} cannot be read: {e.Message} Restore it, or remove it and join again with 'kedge up --join-file FILE'.", e);
        }
    }

    /// <summary>Writes it.</summary>
    /// <exception cref="LinuxException">It could not be written.</exception>
    public void Write(NodeFolder folder) =>
        PrivateFile.Write(folder.Membership, JsonSerializer.SerializeToUtf8Bytes(this, NodeJson.Default.Membership));
}

/// <summary>How a node's own files are written as JSON.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    WriteIndented = true)]
[JsonSerializable(typeof(Membership))]
internal sealed partial class NodeJson : JsonSerializerContext;
