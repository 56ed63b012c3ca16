namespace Kedge.Protocol.WireGuard;

/// <summary>
/// What peers of Kedge say to each other inside WireGuard transport messages, where stock peers have packets: the first byte of each kind. None is an
/// IP version, so a stock peer drops it.
/// </summary>
public static class ControlFrame
{
    /// <summary>A node asks a peer to introduce it to another one, or is introduced.</summary>
    public const byte Introduction = 1;

    /// <summary>Half of a packet.</summary>
    public const byte Fragment = 2;

    /// <summary>A relay and a node agree on a channel.</summary>
    public const byte Relay = 3;

    /// <summary>Whom there is in a network without a controller. The device only passes it on.</summary>
    public const byte Discovery = 4;

    /// <summary>Bytes of the longest, but for <see cref="Fragment"/>.</summary>
    public const int MaximumSize = 1200;
}
