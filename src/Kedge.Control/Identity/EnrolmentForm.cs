using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Control.Identity;

/// <summary>A request to join, read: every value is what it should be, though nobody has looked yet whether it may be had.</summary>
internal sealed record EnrolmentForm
{
    private const int MostChildPrefixes = 64;
    private const int MostEndpoints = 16;

    public required string Name { get; init; }

    /// <summary>Whether another name will do where that one is taken.</summary>
    public required bool IsDefaultName { get; init; }

    /// <summary>A zone's name or identifier; null for none named.</summary>
    public required string? Zone { get; init; }

    public required P256PublicKey IdentityKey { get; init; }

    public required PublicKey WireGuardKey { get; init; }

    public required Sha256Digest? RosenpassKeyHash { get; init; }

    /// <summary>The identity key's signature of its keys, base64; null for none.</summary>
    public required string? KeysSignature { get; init; }

    /// <summary>The proof of a node that was invited, base64; null for none.</summary>
    public required string? InvitationProof { get; init; }

    public required IReadOnlyList<IpAddress> RequestedAddresses { get; init; }

    public required IReadOnlyList<IpPrefix> ChildPrefixes { get; init; }

    public required IReadOnlyList<NodeEndpoint> Endpoints { get; init; }

    public required bool Ephemeral { get; init; }

    /// <summary>Reads a request.</summary>
    /// <param name="request">The request.</param>
    /// <param name="faults">Gets what is wrong with it.</param>
    /// <returns>Null where something is.</returns>
    public static EnrolmentForm? Read(EnrolmentRequest request, Faults faults)
    {
        Values.CheckLabel(faults, "request.name", request.Name);
        P256PublicKey? identity = ReadIdentityKey(faults, "request.identityKey", request.IdentityKey);
        PublicKey wireGuard = Values.ReadWireGuardKey(faults, "request.wireGuardKey", request.WireGuardKey);
        byte[]? rosenpass = request.RosenpassKeyHash is { } hash ? Values.ReadBytes(faults, "request.rosenpassKeyHash", hash, 32, 32) : null;
        if (request.KeysSignature is { } signature)
            _ = Values.ReadBytes(faults, "request.keysSignature", signature, Enrolments.ShortestSignature, Enrolments.LongestSignature);
        if (request.InvitationProof is { } invited)
            _ = Values.ReadBytes(faults, "request.invitationProof", invited, Invitation.ProofSize, Invitation.ProofSize);
        List<IpAddress> addresses = Values.ReadAddresses(faults, "request.requestedAddresses", request.RequestedAddresses);
        List<IpPrefix> children = Values.ReadPrefixes(faults, "request.childPrefixes", request.ChildPrefixes, MostChildPrefixes);
        CheckApart(faults, "request.childPrefixes", children);
        CheckEndpoints(faults, "request.endpoints", request.Endpoints);
        if (faults.Any)
            return null;
        return new EnrolmentForm
        {
            Name = request.Name,
            IsDefaultName = request.IsDefaultName,
            Zone = request.Zone,
            IdentityKey = identity!,
            WireGuardKey = wireGuard,
            RosenpassKeyHash = rosenpass is null ? null : Sha256Digest.FromBytes(rosenpass),
            KeysSignature = request.KeysSignature,
            InvitationProof = request.InvitationProof,
            RequestedAddresses = addresses,
            ChildPrefixes = children,
            Endpoints = request.Endpoints,
            Ephemeral = request.Ephemeral,
        };
    }

    /// <summary>Reads an identity key; null where it is none.</summary>
    public static P256PublicKey? ReadIdentityKey(Faults faults, string field, string value)
    {
        var inner = new Faults();
        byte[] der = Values.ReadBytes(inner, field, value, P256PublicKey.Size, P256PublicKey.Size);
        if (P256PublicKey.TryParse(der, out P256PublicKey? key))
            return key;
        faults.Add(field, $"{Values.Show(value)} is not the SubjectPublicKeyInfo of an ECDSA P-256 key: {P256PublicKey.Size} bytes in base64.");
        return null;
    }

    /// <summary>Prefixes of one node must not overlap: which of two would count?</summary>
    public static void CheckApart(Faults faults, string field, IReadOnlyList<IpPrefix> prefixes)
    {
        for (int i = 1; i < prefixes.Count; i++)
        {
            if (prefixes.Take(i).FirstOrDefault(earlier => AddressRules.Overlap(earlier, prefixes[i])) is { IsNone: false } earlier)
                faults.Add(field, $"{prefixes[i]} overlaps {earlier}, which is named too: name the larger one alone.");
        }
    }

    /// <summary>Checks where a node says that it is reached.</summary>
    public static void CheckEndpoints(Faults faults, string field, IReadOnlyList<NodeEndpoint> endpoints)
    {
        if (endpoints.Count > MostEndpoints)
            faults.Add(field, $"There are {endpoints.Count} endpoints, but {MostEndpoints} is the most.");
        for (int i = 0; i < Math.Min(endpoints.Count, MostEndpoints); i++)
        {
            if (endpoints[i] is not { Address: { } address, Kind: { } kind })
            {
                faults.Add($"{field}[{i}]", "This is no endpoint with an address and a kind.");
                continue;
            }
            _ = Values.ReadEndpoint(faults, $"{field}[{i}].address", address);
            if (!EndpointKinds.Told.Contains(kind))
                faults.Add($"{field}[{i}].kind", $"{Values.Show(kind)} is no kind of endpoint: {string.Join(", ", EndpointKinds.Told)} are.");
        }
    }
}
