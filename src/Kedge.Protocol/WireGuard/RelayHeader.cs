using System.Buffers.Binary;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// What is in front of a WireGuard datagram that a relay passes on: <c>type(1) 0(3) channel(4)</c>, little-endian. The channel tells the relay
/// whom it is from and for, and the receiver whom it is from.
/// </summary>
public static class RelayHeader
{
    /// <summary>Its size in bytes.</summary>
    public const int Size = 8;

    private const int ChannelOffset = 4;

    /// <summary>The channel of a datagram that is <see cref="DatagramKind.Relay"/>.</summary>
    public static uint ChannelOf(ReadOnlySpan<byte> datagram) => BinaryPrimitives.ReadUInt32LittleEndian(datagram[ChannelOffset..]);

    /// <summary>Writes a header.</summary>
    /// <param name="datagram">Where the datagram begins.</param>
    /// <param name="channel">The channel.</param>
    public static void Write(Span<byte> datagram, uint channel)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(datagram, Datagram.Relayed);
        BinaryPrimitives.WriteUInt32LittleEndian(datagram[ChannelOffset..], channel);
    }
}
