using System.Buffers.Binary;
using System.Text;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Warp;

/// <summary>
/// What a listener sends first on the stream of each TCP connection: <c>kind(1) | port(2) | length(1) | host | size(1) | address | port(2)</c>,
/// big-endian, with the target's name or address as text, and the caller's address, whose size is 4 or 16.
/// </summary>
/// <param name="Target">Where the connector is to connect to.</param>
/// <param name="Caller">Where the caller is.</param>
/// <param name="Length">Bytes of the header; the caller's follow it.</param>
public readonly record struct CallHeader(WarpTarget Target, Endpoint Caller, int Length)
{
    /// <summary>Bytes of the longest.</summary>
    public const int MaximumLength = 4 + WarpTarget.MaximumHostLength + 1 + 16 + 2;

    private const byte Tcp = 1;

    /// <summary>The header's bytes.</summary>
    /// <param name="target">Where the connector is to connect to.</param>
    /// <param name="caller">Where the caller is.</param>
    public static byte[] Write(WarpTarget target, Endpoint caller)
    {
        ArgumentNullException.ThrowIfNull(target);
        byte[] host = Encoding.ASCII.GetBytes(target.Host);
        int size = caller.Address.Size;
        byte[] header = new byte[4 + host.Length + 1 + size + 2];
        header[0] = Tcp;
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(1), target.Port);
        header[3] = (byte)host.Length;
        host.CopyTo(header, 4);
        Span<byte> rest = header.AsSpan(4 + host.Length);
        rest[0] = (byte)size;
        caller.Address.CopyTo(rest[1..]);
        BinaryPrimitives.WriteUInt16BigEndian(rest[(1 + size)..], caller.Port);
        return header;
    }

    /// <summary>Reads a header from what a stream begins with.</summary>
    /// <param name="received">What has come; may extend beyond the header.</param>
    /// <param name="header">The header, if it is complete.</param>
    public static WarpParse Parse(ReadOnlySpan<byte> received, out CallHeader header)
    {
        header = default;
        if (received.Length > 0 && received[0] != Tcp)
            return WarpParse.Invalid;
        if (received.Length < 4)
            return WarpParse.Incomplete;
        int hostLength = received[3], sizeAt = 4 + hostLength;
        if (received.Length > sizeAt && received[sizeAt] is not (4 or 16))
            return WarpParse.Invalid;
        if (received.Length <= sizeAt || received.Length < sizeAt + 1 + received[sizeAt] + 2)
            return received.Length > sizeAt && !IsHost(received.Slice(4, hostLength)) ? WarpParse.Invalid : WarpParse.Incomplete;
        if (!WarpTarget.TryCreate(Encoding.Latin1.GetString(received.Slice(4, hostLength)), BinaryPrimitives.ReadUInt16BigEndian(received[1..]), out WarpTarget? target))
            return WarpParse.Invalid;
        int size = received[sizeAt];
        ReadOnlySpan<byte> caller = received[(sizeAt + 1)..];
        header = new CallHeader(
            target, new Endpoint(IpAddress.FromBytes(caller[..size]), BinaryPrimitives.ReadUInt16BigEndian(caller[size..])), sizeAt + 1 + size + 2);
        return WarpParse.Complete;
    }

    private static bool IsHost(ReadOnlySpan<byte> bytes) => WarpTarget.TryCreate(Encoding.Latin1.GetString(bytes), 1, out _);
}
