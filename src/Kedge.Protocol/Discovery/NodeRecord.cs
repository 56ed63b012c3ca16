using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// Signs a hash with the node's identity key, ECDSA P-256.
/// </summary>
/// <param name="hash">The hash, 32 bytes.</param>
/// <param name="signature">Receives r and s, 32 bytes each, the most significant first (IEEE P1363).</param>
public delegate void IdentitySigner(ReadOnlySpan<byte> hash, Span<byte> signature);

/// <summary>What a node says of itself beside where it is.</summary>
[Flags]
public enum NodeTraits
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Others reach it without being introduced.</summary>
    ReachedByStrangers = 1,

    /// <summary>It passes on datagrams between others. Only a certificate with the tag makes that true.</summary>
    Relays = 2,
}

/// <summary>
/// Where a node is, in its own words: signed by its identity key, newer than all before, and true for half an hour at most. It says nothing until
/// <see cref="IsSignedBy"/> and <see cref="IsCurrent"/> are true. Immutable; any thread.
/// </summary>
/// <remarks>
/// On the wire, integers little-endian:
/// <code>
/// version(1) = 1 | traits(1) | lifetime(2), s | sequence(8), ms since 1970 | node(8) | issuer(20) | length(1) serial |
/// count(1) endpoints, 19 each | count(1) homes, 8 each | signature(64)
/// </code>
/// The signature is of SHA-256("kedge node record 1", the network's identifier, all in front of the signature).
/// </remarks>
public sealed class NodeRecord
{
    /// <summary>How many endpoints it has at most.</summary>
    public const int MaximumEndpoints = 8;

    /// <summary>How many homes it names at most.</summary>
    public const int MaximumHomes = 3;

    /// <summary>Bytes of the longest record.</summary>
    public const int MaximumSize = 360;

    /// <summary>How long it can be true.</summary>
    public static readonly TimeSpan MaximumLifetime = TimeSpan.FromMinutes(30);

    /// <summary>How far two nodes' clocks may differ.</summary>
    public static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(5);

    private const byte Version = 1;
    private const int SignatureSize = EcdsaSignature.Size;

    private static ReadOnlySpan<byte> Label => "kedge node record 1"u8;

    private readonly byte[] _bytes;

    private NodeRecord(byte[] bytes) => _bytes = bytes;

    /// <summary>The node.</summary>
    public required NodeId Node { get; init; }

    /// <summary>Its certificate.</summary>
    public required CertificateReference Certificate { get; init; }

    /// <summary>When it was made, in milliseconds since 1970 by the node's own clock. Of two records of a node the one with the higher number counts.</summary>
    public required long Sequence { get; init; }

    /// <summary>How long it is true.</summary>
    public required TimeSpan Lifetime { get; init; }

    /// <summary>What the node says of itself.</summary>
    public required NodeTraits Traits { get; init; }

    /// <summary>Where it can be reached, best first; at most <see cref="MaximumEndpoints"/>.</summary>
    public required IReadOnlyList<PeerEndpoint> Endpoints { get; init; }

    /// <summary>The anchors that know it; at most <see cref="MaximumHomes"/>.</summary>
    public required IReadOnlyList<NodeId> Homes { get; init; }

    /// <summary>The record as it goes over the wire.</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes;

    /// <summary>Makes a node's own record.</summary>
    /// <param name="certificate">The node's certificate.</param>
    /// <param name="sequence">The sequence, not negative.</param>
    /// <param name="lifetime">At most <see cref="MaximumLifetime"/>; whole seconds count.</param>
    /// <param name="traits">What the node says of itself.</param>
    /// <param name="endpoints">Where it can be reached; what is too much is left out.</param>
    /// <param name="homes">The anchors that know it; what is too much is left out.</param>
    /// <param name="sign">Signs with the key of the certificate.</param>
    public static NodeRecord Create(
        NodeCertificate certificate,
        long sequence,
        TimeSpan lifetime,
        NodeTraits traits,
        IEnumerable<PeerEndpoint> endpoints,
        IEnumerable<NodeId> homes,
        IdentitySigner sign)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sequence);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lifetime, MaximumLifetime);
        var writer = new FrameWriter(MaximumSize);
        writer.AddByte(Version);
        writer.AddByte((byte)traits);
        writer.AddUInt16((int)lifetime.TotalSeconds);
        writer.AddUInt64((ulong)sequence);
        writer.AddUInt64(NodeId.Of(certificate.WireGuardKey).Value);
        CertificateReference.Of(certificate).Write(writer);
        writer.AddEndpoints([.. endpoints.Where(endpoint => endpoint.Kind.IsTold() && endpoint.Address.Port != 0).Take(MaximumEndpoints)]);
        NodeId[] named = [.. homes.Take(MaximumHomes)];
        writer.AddByte((byte)named.Length);
        foreach (NodeId home in named)
            writer.AddUInt64(home.Value);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes], signature = stackalloc byte[SignatureSize];
        Hash(certificate.NetworkId, writer.Written, hash);
        sign(hash, signature);
        writer.AddBytes(signature);
        return TryRead(writer.Written, out NodeRecord? record)
            ? record
            : throw new ArgumentException("A certificate cannot be referred to.", nameof(certificate));
    }

    /// <summary>Reads a record. Neither its signature nor its age is looked at.</summary>
    /// <param name="bytes">Exactly the record; copied.</param>
    /// <param name="record">The record, when the result is true. Endpoints that cannot be are left out.</param>
    /// <returns>Whether it is one.</returns>
    public static bool TryRead(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out NodeRecord? record)
    {
        record = null;
        if (bytes.Length is <= SignatureSize or > MaximumSize)
            return false;
        var reader = new FrameReader(bytes[..^SignatureSize]);
        byte version = reader.Byte(), traits = reader.Byte();
        var lifetime = TimeSpan.FromSeconds(reader.UInt16());
        ulong sequence = reader.UInt64();
        var node = new NodeId(reader.UInt64());
        if (!CertificateReference.TryRead(ref reader, out CertificateReference certificate))
            return false;
        IReadOnlyList<PeerEndpoint> endpoints = reader.Endpoints(MaximumEndpoints);
        int count = reader.Byte();
        if (count > MaximumHomes)
            return false;
        var homes = new NodeId[count];
        for (int i = 0; i < count; i++)
            homes[i] = new NodeId(reader.UInt64());
        if (!reader.IsValid || !reader.IsEmpty || version != Version || sequence > DigestEntry.MaximumSequence || lifetime > MaximumLifetime)
            return false;
        record = new NodeRecord(bytes.ToArray())
        {
            Node = node,
            Certificate = certificate,
            Sequence = (long)sequence,
            Lifetime = lifetime,
            Traits = (NodeTraits)traits,
            Endpoints = endpoints,
            Homes = homes,
        };
        return true;
    }

    /// <summary>Whether it is true at a time: neither too old nor from the future, as far as clocks agree.</summary>
    public bool IsCurrent(DateTimeOffset time)
    {
        long age = time.ToUnixTimeMilliseconds() - Sequence, tolerance = (long)ClockTolerance.TotalMilliseconds;
        return age >= -tolerance && age < Lifetime.TotalMilliseconds + tolerance;
    }

    /// <summary>Whether it is of a certificate's node, and signed by it.</summary>
    public bool IsSignedBy(NodeCertificate certificate)
    {
        if (certificate.IdentityKey is not { } key || !IsOf(certificate))
            return false;
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        Hash(certificate.NetworkId, _bytes.AsSpan(..^SignatureSize), hash);
        return key.IsSignature(hash, _bytes.AsSpan(^SignatureSize..));
    }

    /// <summary>Whether it is of a certificate's node and refers to that certificate. Costs no signature.</summary>
    public bool IsOf(NodeCertificate certificate) =>
        Node == NodeId.Of(certificate.WireGuardKey) && Certificate == CertificateReference.Of(certificate);

    private static void Hash(Sha256Digest network, ReadOnlySpan<byte> content, Span<byte> hash)
    {
        Span<byte> signed = stackalloc byte[Label.Length + Sha256Digest.Size + content.Length];
        Label.CopyTo(signed);
        network.CopyTo(signed[Label.Length..]);
        content.CopyTo(signed[(Label.Length + Sha256Digest.Size)..]);
        SHA256.HashData(signed, hash);
    }
}
