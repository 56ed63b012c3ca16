using Kedge.Protocol.Certificates;
using Kedge.Protocol.Discovery;

namespace Kedge.Tests.Discovery.Simulation;

/// <summary>
/// Believes everything, and reads everything once for all nodes of a simulation: what is measured with it is what the nodes say to each other, not
/// what signatures cost.
/// </summary>
internal sealed class SimulationChecks : MemberChecks
{
    private const int MaximumRecords = 400_000;

    private readonly Dictionary<byte[], NodeCertificate?> _certificates = new(new Bytes());
    private readonly Dictionary<byte[], NodeRecord?> _records = new(new Bytes());

    /// <summary>Signs what this class believes.</summary>
    public static void Sign(ReadOnlySpan<byte> hash, Span<byte> signature)
    {
        hash.CopyTo(signature);
        hash.CopyTo(signature[hash.Length..]);
    }

    public override NodeCertificate? ReadCertificate(ReadOnlySpan<byte> der)
    {
        var known = _certificates.GetAlternateLookup<ReadOnlySpan<byte>>();
        if (!known.TryGetValue(der, out NodeCertificate? certificate))
            known[der] = certificate = base.ReadCertificate(der);
        return certificate;
    }

    public override NodeRecord? ReadRecord(ReadOnlySpan<byte> bytes)
    {
        var known = _records.GetAlternateLookup<ReadOnlySpan<byte>>();
        if (known.TryGetValue(bytes, out NodeRecord? record))
            return record;
        if (_records.Count >= MaximumRecords)
            _records.Clear();
        return known[bytes] = base.ReadRecord(bytes);
    }

    public override CertificateRefusal? Verify(NodeCertificate certificate, NetworkTrust trust, DateTimeOffset time) => null;

    public override bool IsSigned(NodeRecord record, NodeCertificate certificate) => record.IsOf(certificate);

    private sealed class Bytes : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate)
        {
            var hash = new HashCode();
            hash.AddBytes(alternate);
            return hash.ToHashCode();
        }

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}
