using System.Text.Json;
using Kedge.Node.NatDiscovery;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;
using static Kedge.Commands.Node.NetcheckCommand;

namespace Kedge.Commands.Node;

/// <summary>What <c>kedge netcheck</c> finds out about the NATs on the way to STUN servers, for people and for programs.</summary>
internal sealed class NatChecks
{
    private readonly List<Endpoint> _servers;
    private readonly NatBehaviour[] _behaviours;

    private NatChecks(List<Endpoint> servers, NatBehaviour[] behaviours) => (_servers, _behaviours) = (servers, behaviours);

    /// <summary>Asks the servers, those of each family apart; up to 9 s.</summary>
    /// <param name="servers">The servers; none asks nobody.</param>
    /// <param name="mark">The firewall mark of an overlay's own datagrams; 0 for none.</param>
    public static async Task<NatChecks> RunAsync(IEnumerable<Endpoint> servers, uint mark = 0)
    {
        List<Endpoint> all = [.. servers.Where(StunClient.CanAsk).Distinct()];
        NatBehaviour?[] found = await Task.WhenAll(
            from family in all.GroupBy(server => server.Address.Size)
            orderby family.Key
            select BehaviourDiscovery.RunAsync(family, mark, CancellationToken.None));
        return new NatChecks(all, [.. found.OfType<NatBehaviour>()]);
    }

    /// <summary>Whether the servers are reached by UDP.</summary>
    public Check? CheckStun()
    {
        if (_servers.Count == 0)
            return null;
        NatBehaviour[] answered = [.. _behaviours.Where(one => one.IsAnswered)];
        return answered.Length > 0
            ? new("STUN", Ok: true, string.Join(" ", answered.Select(one => $"{one.Server} sees this machine at {one.Reflexive}.")))
            : new(
                "STUN", Ok: false,
                $"No server answers: {string.Join(", ", _servers)}. A firewall may drop UDP, here or on the way; "
                + "a node without UDP reaches no peer.");
    }

    /// <summary>What the NATs do, and what that means for this node.</summary>
    /// <param name="isMapped">Whether a gateway maps the node's port, so that others reach it there.</param>
    /// <param name="port">The node's UDP port; 0 where it has none yet.</param>
    public IEnumerable<Check> CheckNats(bool isMapped, int port)
    {
        foreach (NatBehaviour found in _behaviours.Where(one => one.IsAnswered))
        {
            string family = Family(found);
            yield return new("NAT", Ok: true, $"{family}: {Describe(found)}");
            // With one address a server leaves possibilities open: they are no failure.
            bool isReached = isMapped || (found.Mapping & NatDependence.EndpointIndependent) != 0
                || found.Filtering == NatDependence.EndpointIndependent;
            string advice = isReached ? "" : port == 0
                ? " Forward a UDP port to this machine, and name it to 'kedge up' by --listen-port and --local-endpoint-ip."
                : $" Forward UDP port {port} to this machine, and say so with --local-endpoint-ip.";
            yield return new("paths", isReached, $"{family}: {(isMapped ? MeaningOfMapped : Meaning(found))}{advice}");
        }
    }

    /// <summary>Writes what was found as an array, with an object for each family.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartArray("nat");
        foreach (NatBehaviour found in _behaviours.Where(one => one.IsAnswered))
        {
            json.WriteStartObject();
            json.WriteString("family", Family(found));
            json.WriteString("server", found.Server.ToString());
            json.WriteNumber("serverAddresses", found.ServerAddresses);
            json.WriteString("reflexive", found.Reflexive.ToString());
            json.WriteBoolean("translated", found.IsTranslated);
            Write(json, "mapping", found.Mapping);
            Write(json, "filtering", found.Filtering);
            if (found.Hairpin is { } hairpin)
                json.WriteBoolean("hairpin", hairpin);
            else
                json.WriteNull("hairpin");
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>What the NATs do, in the terms of RFC 5780.</summary>
    internal static string Describe(NatBehaviour found)
    {
        string filtering = found.Filtering == NatDependence.Unknown
            ? "what is let in cannot be told, because the server has no other port to answer from"
            : $"filtering {Names(found.Filtering)}";
        if (!found.IsTranslated)
            return $"no NAT; {filtering}.";
        string mapping = found.Mapping == NatDependence.Unknown
            ? "a NAT, whose mapping cannot be told by one endpoint of a server"
            : $"a NAT with mapping {Names(found.Mapping)}";
        string hairpin = found.Hairpin switch { true => "; hairpin", false => "; no hairpin", null => "" };
        return $"{mapping}; {filtering}{hairpin}.";
    }

    /// <summary>What that means for a node behind these NATs.</summary>
    internal static string Meaning(NatBehaviour found)
    {
        const string Pair = "A pair of such nodes connects directly";
        if (found.Filtering == NatDependence.EndpointIndependent)
            return "Every peer reaches this node directly, whatever it is behind itself.";
        if ((found.Mapping & NatDependence.EndpointIndependent) == 0)
            return "Only peers with an open port reach this node, and it them.";
        string open = found.Mapping == NatDependence.EndpointIndependent ? "" : "If the mapping is endpoint-independent, as most are: ";
        string close = open.Length == 0 ? "" : " A STUN server with two addresses, named by --stun, would tell.";
        return found.Filtering switch
        {
            NatDependence.AddressAndPortDependent =>
                $"{open}{Pair}; not with a peer behind a NAT that maps each destination anew.{close}",
            NatDependence.Unknown or NatDependence.AddressDependent | NatDependence.AddressAndPortDependent => $"{open}{Pair}.{close}",
            _ => $"{open}{Pair}, also with a peer behind a NAT that maps each destination anew.{close}",
        };
    }

    private const string MeaningOfMapped = "The gateway maps this node's port, so every peer reaches it there.";

    private static string Family(NatBehaviour found) => found.Server.Address.IsIPv4 ? "IPv4" : "IPv6";

    private static void Write(Utf8JsonWriter json, string name, NatDependence possible)
    {
        json.WriteStartArray(name);
        foreach (string one in Possibilities(possible))
            json.WriteStringValue(one);
        json.WriteEndArray();
    }

    private static string Names(NatDependence possible) => string.Join(" or ", Possibilities(possible));

    private static IEnumerable<string> Possibilities(NatDependence possible) =>
        from one in ((NatDependence Kind, string Name)[])
        [
            (NatDependence.EndpointIndependent, "endpoint-independent"),
            (NatDependence.AddressDependent, "address-dependent"),
            (NatDependence.AddressAndPortDependent, "address-and-port-dependent"),
        ]
        where possible.HasFlag(one.Kind)
        select one.Name;
}
