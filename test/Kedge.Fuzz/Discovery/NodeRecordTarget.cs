using System.Security.Cryptography;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Discovery;
using Kedge.Protocol.Ip;

namespace Kedge.Fuzz.Discovery;

/// <summary>
/// Records of nodes: what is read has the bounds that it should have and the bytes that came, has no second reading, and is nobody's, because
/// nobody has signed it.
/// </summary>
public sealed class NodeRecordTarget : Target
{
    private static readonly NodeCertificate Certificate = DiscoveryParty.Certify(0);

    public override string Name => "node-record";

    public override int MaximumLength => NodeRecord.MaximumSize + 8;

    public override int ShortRun => 20_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } = [MakeRecord(0, 0), MakeRecord(2, 1), MakeRecord(8, 3), [1, 0, 8, 7]];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (!NodeRecord.TryRead(input, out NodeRecord? record))
        {
            trace.Note(1, input.Length > 0 ? input[0] : 0);
            return;
        }
        trace.Note(2, 4 * record.Endpoints.Count + record.Homes.Count);
        Invariant.Holds(record.Bytes.Span.SequenceEqual(input), "the record has the bytes that came");
        Invariant.Holds(record.Endpoints.Count <= NodeRecord.MaximumEndpoints, "endpoints are bounded");
        Invariant.Holds(record.Homes.Count <= NodeRecord.MaximumHomes, "homes are bounded");
        Invariant.Holds(record.Lifetime <= NodeRecord.MaximumLifetime && record.Sequence >= 0, "lifetime and sequence can be");
        Invariant.Holds(record.Endpoints.All(endpoint => endpoint.Address.Port != 0 && endpoint.Kind.IsTold()), "endpoints can be");
        Invariant.Holds(!record.IsSignedBy(Certificate), "nobody has signed it");
        Invariant.Holds(!NodeRecord.TryRead([.. input, 0], out _), "it ends where it ends");
    }

    private static byte[] MakeRecord(int endpoints, int homes) => NodeRecord.Create(
        Certificate, 1_772_366_400_000, NodeRecord.MaximumLifetime, NodeTraits.Relays,
        Enumerable.Range(1, endpoints).Select(i => new PeerEndpoint(new Endpoint(IpAddress.IPv4((uint)i), 7891), (PeerEndpointKind)(i % 4))),
        Enumerable.Range(1, homes).Select(i => new NodeId((ulong)i)),
        (hash, signature) => SHA512.HashData(hash, signature)).Bytes.ToArray();
}
