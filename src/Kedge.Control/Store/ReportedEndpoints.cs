using System.Text.Json;
using System.Text.Json.Serialization;
using Kedge.Control.Push;
using Kedge.Protocol.Api;

namespace Kedge.Control.Store;

/// <summary>Where nodes were last reached. Written now and then, so that a controller that starts anew has something to tell.</summary>
internal static class ReportedEndpoints
{
    /// <summary>What was written last of every active node.</summary>
    public static List<KnownEndpoints> List(StoreReader store) => store.List(
        $"SELECT node.zone, node.id, endpoint.endpoints FROM endpoint JOIN node ON node.id = endpoint.node WHERE node.status = 'active'",
        row => new KnownEndpoints(
            row.Guid(0), row.Guid(1), JsonSerializer.Deserialize(row.Text(2), ReportedEndpointsJson.Default.IReadOnlyListNodeEndpoint) ?? []));

    /// <summary>Writes where some nodes are reached, and forgets those that are gone.</summary>
    public static void Save(StoreTransaction store, IEnumerable<KnownEndpoints> known)
    {
        foreach (KnownEndpoints one in known)
        {
            string text = JsonSerializer.Serialize(one.Endpoints, ReportedEndpointsJson.Default.IReadOnlyListNodeEndpoint);
            store.Execute($"INSERT INTO endpoint (node, endpoints) VALUES ({one.Node}, {text}) ON CONFLICT (node) DO UPDATE SET endpoints = excluded.endpoints");
        }
        store.Execute($"DELETE FROM endpoint WHERE node NOT IN (SELECT id FROM node WHERE status = 'active')");
    }
}

/// <summary>How endpoints are kept in a column.</summary>
[JsonSerializable(typeof(IReadOnlyList<NodeEndpoint>))]
internal sealed partial class ReportedEndpointsJson : JsonSerializerContext;
