using Kedge.Linux;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>Addresses a single datagram to a peer, by its relay where there is no direct path.</summary>
internal static class RelayedDatagram
{
    /// <summary>Puts the datagram that is at the start of a buffer on its way.</summary>
    /// <param name="buffer">The buffer, reset but for its array.</param>
    /// <param name="length">Bytes of the datagram.</param>
    /// <param name="path">The way to the peer.</param>
    /// <returns>False if the relay cannot be reached now.</returns>
    public static bool TryAddress(PacketBuffer buffer, int length, PeerPath path)
    {
        buffer.Reset();
        if (path.First is not { } first)
            return false;
        if (path.Relay is { } relay)
        {
            Array.Copy(buffer.Array, 0, buffer.Array, RelayHeader.Size, length);
            RelayHeader.Write(buffer.Array, relay.Out);
            length += RelayHeader.Size;
        }
        (buffer.Offset, buffer.Length, buffer.Destination, buffer.Source) = (0, length, first.Remote, first.Local);
        return true;
    }
}
