using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Node.Routing;
using Kedge.Protocol.Ip;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Looks whether the machine still lets the overlay's packets pass: others may change its firewall and its settings at any time. Each
/// finding is a problem until it is mended. One thread at a time; it may run other programs, so it is no business of a thread that is
/// waited for.
/// </summary>
/// <param name="interfaceName">The overlay's interface.</param>
/// <param name="problems">Receives what is in the way.</param>
public sealed class HostChecks(string interfaceName, Problems problems)
{
    /// <summary>Checks whether the networks behind this node can be reached by the others; of none there is nothing to check.</summary>
    /// <param name="childPrefixes">The networks.</param>
    /// <param name="inside">Where the interface is; null for this namespace.</param>
    /// <exception cref="LinuxException">There is no such namespace.</exception>
    public void CheckForwarding(IReadOnlyList<IpPrefix> childPrefixes, NetworkNamespace? inside)
    {
        IReadOnlyList<ForwardingFinding> findings = childPrefixes.Count == 0 ? [] : Forwarding.Check(
            interfaceName, childPrefixes.Any(prefix => prefix.Address.IsIPv4), childPrefixes.Any(prefix => prefix.Address.IsIPv6), inside);
        problems.Set("forwarding", findings.Count == 0 ? null
            : "The networks behind this node cannot be reached by the others. "
                + string.Join(' ', findings.Select(finding => $"{finding.Problem} Allow it with: {finding.Command}")));
    }

    /// <summary>Checks whether the datagrams of peers come in.</summary>
    /// <param name="listenPort">The UDP port.</param>
    /// <param name="mark">The mark of the overlay's own datagrams.</param>
    /// <param name="endpoints">Where peers are reached.</param>
    public void CheckSources(ushort listenPort, FirewallMark mark, IEnumerable<Endpoint> endpoints)
    {
        IReadOnlyList<SourceValidationFinding> findings = SourceValidation.Check(interfaceName, listenPort, mark, endpoints);
        problems.Set("sources", findings.Count == 0 ? null : string.Join(' ', findings));
    }
}
