using System.Net;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;

namespace Kedge.Control;

/// <summary>What a controller is told to do.</summary>
public sealed record ControllerSettings
{
    /// <summary>The TCP port where nothing else is said.</summary>
    public const int DefaultPort = 8443;

    /// <summary>How many days, and how many entries, the audit log goes back where nothing else is said.</summary>
    public const int DefaultAuditDays = 365, DefaultAuditEntries = 200_000;

    /// <summary>Where it keeps everything that it must not lose.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>Where it listens; port 0 for any free one.</summary>
    public IReadOnlyList<IPEndPoint> Listen { get; init; } = [new(IPAddress.Loopback, DefaultPort)];

    /// <summary>
    /// The addresses of TCP load balancers, which must begin each connection with a PROXY protocol header that names its real source. From
    /// anywhere else such a header is refused. Empty for none.
    /// </summary>
    public IReadOnlyList<IpPrefix> ProxyProtocolFrom { get; init; } = [];

    /// <summary>The UDP port at which nodes ask where they are (STUN), at the same addresses; 0 for none.</summary>
    public int StunPort { get; init; } = StunServer.DefaultPort;

    /// <summary>
    /// The UDP port at the same addresses from which STUN answers come that are asked to come from another one; 0 for none, null for the
    /// one after <see cref="StunPort"/>.
    /// </summary>
    public int? StunOtherPort { get; init; }

    /// <summary>
    /// The addresses that nodes are told, such as <c>https://control.example:8443</c>, the one of join lines first; empty for the first
    /// that it listens on.
    /// </summary>
    public IReadOnlyList<Uri> Urls { get; init; } = [];

    /// <summary>The STUN servers that nodes are told, as <c>HOST:PORT</c>; empty for this controller's own.</summary>
    public IReadOnlyList<string> StunServers { get; init; } = [];

    /// <summary>The file with the master's certificate of a locked network; null for a managed one, or for what is there.</summary>
    public string? LockedMaster { get; init; }

    /// <summary>After how many days an entry of the audit log is removed; 0 for never.</summary>
    public int AuditDays { get; init; } = DefaultAuditDays;

    /// <summary>How many entries of the audit log are kept; the oldest are removed first.</summary>
    public int AuditEntries { get; init; } = DefaultAuditEntries;

    /// <summary>The program's version.</summary>
    public required string Version { get; init; }
}
