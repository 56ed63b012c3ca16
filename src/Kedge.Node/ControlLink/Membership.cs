using System.Text.Json;
using System.Text.Json.Serialization;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Processes;
using Kedge.Node.Routing;
using Kedge.Protocol;
using Kedge.Protocol.Relays;

namespace Kedge.Node.ControlLink;

/// <summary>What a person has asked <c>kedge up</c> for. It holds until asked for anew.</summary>
public sealed record NodeSettings
{
    /// <summary>MTU of the interface where nothing else is asked for: what WireGuard leaves of 1500 bytes with IPv6 below.</summary>
    public const int DefaultMtu = 1420;

    /// <summary>Megabits a second that two nodes may send each other by a relay where nothing else is asked for.</summary>
    public const int DefaultRelayRate = (int)(RelaySwitch.DefaultRate / 1_000_000);

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

    /// <summary>Whether the gateway is not to be asked to map the port.</summary>
    public bool NoPortMapping { get; init; }

    /// <summary>Whether the gateway is asked to map the port: where the others are not to reach this node elsewhere.</summary>
    [JsonIgnore]
    public bool MapsPort => !NoPortMapping && !InternalNetwork && LocalEndpointAddresses.Count == 0;

    /// <summary>Whether the node is to pass on datagrams between others, if its certificate allows that.</summary>
    public bool Relay { get; init; }

    /// <summary>Megabits a second that two nodes may send each other by this one; 0 for no limit, null for the default.</summary>
    public int? RelayRate { get; init; }

    /// <summary>The network namespace that the interface is put in; null for this one.</summary>
    /// <exception cref="LinuxException">There is no such namespace.</exception>
    public NetworkNamespace? OpenNamespace() => NetworkNamespace is { } name ? Kedge.Linux.Namespaces.NetworkNamespace.Open(name) : null;
}

/// <summary>What an interface has joined: <c>link.json</c>. No secret is in it.</summary>
public sealed record Membership
{
    /// <summary>The status of a node that has its certificate.</summary>
    public const string Active = "active";

    /// <summary>The status of a node that waits for it.</summary>
    public const string Pending = "pending";

    /// <summary>The status of a node that the controller does not have any more.</summary>
    public const string Removed = "removed";

    private static readonly TimeSpan WriteTimeout = TimeSpan.FromSeconds(10);

    /// <summary>How many addresses of a controller are kept at most.</summary>
    public const int MaximumControllers = 8;

    /// <summary>The controller's address, such as <c>https://controller.example:8443</c>; empty for a network without one.</summary>
    public required string Controller { get; init; }

    /// <summary>Whether the network has a controller. Where it has none, nodes introduce themselves to each other.</summary>
    [JsonIgnore]
    public bool HasController => Controller.Length > 0;

    /// <summary>Other addresses at which the controller was, or may be reached, best first; null for none.</summary>
    public IReadOnlyList<string>? OtherControllers { get; init; }

    /// <summary>The network's identifier, base64url.</summary>
    public required string Network { get; init; }

    /// <summary>The SHA-256 of the server authority's SubjectPublicKeyInfo, base64url.</summary>
    public required string Pin { get; init; }

    /// <summary>Pins of other authorities that the controller may be known by as well, base64url; null for none.</summary>
    public IReadOnlyList<string>? OtherPins { get; init; }

    /// <summary>What was asked for.</summary>
    public required NodeSettings Settings { get; init; }

    /// <summary><see cref="Active"/>, <see cref="Pending"/> or <see cref="Removed"/>.</summary>
    public required string Status { get; init; }

    /// <summary>What the network calls the node: what it asked for, or what an administrator has called it since.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// The SHA-256 of the identity key's SubjectPublicKeyInfo, base64url: what the holder of a locked network's master key compares. Null where
    /// an older version has joined.
    /// </summary>
    public string? IdentityKeyHash { get; init; }

    /// <summary>
    /// What the node waits for, in words: a pending one to become a member, an active one for what it has asked for in addition. Why it was
    /// removed, where it was. Null for nothing.
    /// </summary>
    public string? Reason { get; init; }

    /// <summary>The identifier of the token that the node joined with, without its secret; null where it is not known.</summary>
    public string? Token { get; init; }

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

    /// <summary>The networks behind the node that it has asked for and that nobody has approved yet.</summary>
    [JsonIgnore]
    public IEnumerable<string> WaitingPrefixes => Settings.ChildPrefixes.Except(ChildPrefixes);

    /// <summary>Says which networks behind the node are not reachable yet, and why; null for none.</summary>
    public string? DescribeWaiting() => WaitingPrefixes.ToArray() is { Length: > 0 } waiting
        ? $"Not reachable yet behind this node: {string.Join(", ", waiting)}. They wait: {Reason ?? "an administrator has to approve them."}"
        : null;

    /// <summary>The controller, as a client knows it.</summary>
    /// <exception cref="UserError">What was kept makes no sense.</exception>
    [JsonIgnore]
    public ControllerAddress ControllerAddress => ControllerAddresses[0];

    /// <summary>The controller at each of its addresses, best first; at least one, where there is a controller.</summary>
    /// <exception cref="UserError">What was kept makes no sense.</exception>
    [JsonIgnore]
    public IReadOnlyList<ControllerAddress> ControllerAddresses => !HasController ? []
        : Uri.TryCreate(Controller, UriKind.Absolute, out Uri? first)
        && Sha256Digest.TryParse(Network, out Sha256Digest network)
        && Sha256Digest.TryParse(Pin, out Sha256Digest pin)
            ?
            [
                .. from url in OtherUrls().Prepend(first)
                   select new ControllerAddress(url, network, pin)
                   {
                       OtherPins = [.. (OtherPins ?? []).Select(text => Sha256Digest.TryParse(text, out Sha256Digest other) ? other : pin)],
                   },
            ]
            : throw new UserError($"The controller '{Controller}' that was kept, or its network or pin, makes no sense. Join again with 'kedge up --join-file FILE'.");

    /// <summary>What a person does whose node the controller does not have any more.</summary>
    /// <param name="interfaceName">The node's interface.</param>
    public static string HowToJoinAgain(string interfaceName) =>
        $"To join again: 'kedge down --interface {interfaceName}' and 'kedge up --interface {interfaceName} --join-file FILE', with a new "
        + $"join line. To give it up: 'kedge down --interface {interfaceName} --leave'.";

    /// <summary>The same with these addresses of the controller before those that are known.</summary>
    /// <param name="urls">Addresses such as <c>https://controller.example:8443</c>, best first. What is none is left out.</param>
    public Membership WithControllers(IEnumerable<string> urls)
    {
        string[] all =
        [
            .. urls.Concat([Controller, .. OtherControllers ?? []])
                .Select(text => ControllerAddress.TryParseUrl(text, out Uri? url) ? url.ToString() : null).OfType<string>()
                .Distinct().Take(MaximumControllers).DefaultIfEmpty(Controller),
        ];
        return this with { Controller = all[0], OtherControllers = all.Length > 1 ? all[1..] : null };
    }

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

    private IEnumerable<Uri> OtherUrls() =>
        (OtherControllers ?? []).Select(text => ControllerAddress.TryParseUrl(text, out Uri? url) ? url : null).OfType<Uri>();

    /// <summary>Changes what is on disk, which another process may have changed too.</summary>
    /// <param name="folder">The node's folder.</param>
    /// <param name="change">Makes the new membership of the one on disk, which is null where there is none.</param>
    /// <exception cref="LinuxException">It could not be read or written.</exception>
    /// <exception cref="UserError">What is there cannot be read.</exception>
    public static void Change(NodeFolder folder, Func<Membership?, Membership> change)
    {
        using ProcessLock claim = Claim(folder);
        PrivateFile.Write(folder.Membership, JsonSerializer.SerializeToUtf8Bytes(change(Read(folder)), NodeJson.Default.Membership));
    }

    /// <summary>Writes it, in place of what is on disk.</summary>
    /// <exception cref="LinuxException">It could not be written.</exception>
    public void Write(NodeFolder folder)
    {
        using ProcessLock claim = Claim(folder);
        PrivateFile.Write(folder.Membership, JsonSerializer.SerializeToUtf8Bytes(this, NodeJson.Default.Membership));
    }

    // 'kedge set' and the control link write at the same time, each for the length of one write.
    private static ProcessLock Claim(NodeFolder folder)
    {
        Instant deadline = BootClock.Now + WriteTimeout;
        ProcessLock? claim;
        while ((claim = ProcessLock.TryTake(folder.MembershipLock)) is null)
        {
            if (BootClock.Now > deadline)
                throw new LinuxException(Errno.EAGAIN, "lock", folder.MembershipLock);
            Thread.Sleep(TimeSpan.FromMilliseconds(10));
        }
        return claim;
    }
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
