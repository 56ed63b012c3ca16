using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <summary>
/// An introduction inside a WireGuard transport message: a node asks a peer that it has in common with another one to pass it on. Its first
/// byte is no IP version, so a stock peer drops it. On the wire, before WireGuard's padding, integers little-endian:
/// <code>
/// type(1) = 1 | flags(1): 1 opened, 2 passed on | length(2) | key(32) | kind(1) address(16) port(2) for each endpoint
/// </code>
/// Addresses are IPv6 or IPv4-mapped.
/// </summary>
/// <param name="Key">To the peer in common: whom to tell. From it: who is introduced.</param>
/// <param name="Endpoints">Where the node that is introduced can be reached; at most <see cref="MaximumEndpoints"/>.</param>
/// <param name="Opened">Whether it answers an introduction.</param>
/// <param name="IsPassedOn">Whether it comes from the peer in common.</param>
public sealed record IntroductionFrame(PublicKey Key, IReadOnlyList<PeerEndpoint> Endpoints, bool Opened, bool IsPassedOn)
{
    /// <summary>The first byte.</summary>
    public const byte Type = ControlFrame.Introduction;

    /// <summary>How many endpoints there are at most.</summary>
    public const int MaximumEndpoints = Surroundings.MaximumCandidates;

    /// <summary>Bytes of the longest frame.</summary>
    public const int MaximumSize = HeaderSize + MaximumEndpoints * EndpointBytes.Size;

    private const int KeyOffset = 4;
    private const int HeaderSize = KeyOffset + PublicKey.Size;
    private const byte OpenedFlag = 1;
    private const byte PassedOnFlag = 2;

    /// <summary>Reads a frame, behind which there may be padding.</summary>
    /// <returns>False for what is no such frame. An endpoint of a kind or an address that cannot be is left out.</returns>
    public static bool TryRead(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out IntroductionFrame? frame)
    {
        frame = null;
        if (bytes.Length < HeaderSize || bytes[0] != Type)
            return false;
        int length = BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]);
        if (length < HeaderSize || length > Math.Min(bytes.Length, MaximumSize) || (length - HeaderSize) % EndpointBytes.Size != 0)
            return false;
        List<PeerEndpoint> endpoints = [];
        for (ReadOnlySpan<byte> rest = bytes[HeaderSize..length]; !rest.IsEmpty; rest = rest[EndpointBytes.Size..])
        {
            if (EndpointBytes.TryRead(rest, out PeerEndpoint endpoint) && endpoint.Kind <= PeerEndpointKind.Fixed)
                endpoints.Add(endpoint);
        }
        frame = new IntroductionFrame(
            PublicKey.FromBytes(bytes.Slice(KeyOffset, PublicKey.Size)), endpoints, (bytes[1] & OpenedFlag) != 0, (bytes[1] & PassedOnFlag) != 0);
        return true;
    }

    /// <summary>The frame's bytes.</summary>
    public byte[] ToArray()
    {
        PeerEndpoint[] endpoints = [.. Endpoints.Where(at => at.Kind <= PeerEndpointKind.Fixed).Take(MaximumEndpoints)];
        byte[] bytes = new byte[HeaderSize + endpoints.Length * EndpointBytes.Size];
        bytes[0] = Type;
        bytes[1] = (byte)((Opened ? OpenedFlag : 0) | (IsPassedOn ? PassedOnFlag : 0));
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2), (ushort)bytes.Length);
        Key.CopyTo(bytes.AsSpan(KeyOffset));
        foreach ((int i, PeerEndpoint endpoint) in endpoints.Index())
            EndpointBytes.Write(endpoint, bytes.AsSpan(HeaderSize + i * EndpointBytes.Size));
        return bytes;
    }
}
