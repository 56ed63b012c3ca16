namespace Kedge.Protocol.Ip;

/// <summary>
/// Explicit congestion notification through a tunnel (RFC 6040), so that a router between two nodes can slow a flow inside the tunnel
/// down without dropping its packets. Functions over the two ECN bits of an IP header (RFC 3168 section 5); other bits are ignored, so
/// a whole traffic class may be passed.
/// </summary>
public static class Ecn
{
    /// <summary>Which bits of a traffic class are ECN.</summary>
    public const byte Mask = 0b11;

    /// <summary>Not ECN-capable transport.</summary>
    public const byte NotEct = 0b00;

    /// <summary>ECN-capable transport, codepoint 1.</summary>
    public const byte Ect1 = 0b01;

    /// <summary>ECN-capable transport, codepoint 0.</summary>
    public const byte Ect0 = 0b10;

    /// <summary>Congestion experienced.</summary>
    public const byte Ce = 0b11;

    /// <summary>The bits of the outer header for a packet that enters the tunnel: normal mode of RFC 6040 section 4.1.</summary>
    public static byte Encapsulate(byte inner) => (byte)(inner & Mask);

    /// <summary>The bits of a packet that leaves the tunnel: figure 4 of RFC 6040 section 4.2.</summary>
    /// <param name="inner">The bits of the packet as it came out.</param>
    /// <param name="outer">The bits of the datagram that carried it.</param>
    /// <param name="forwarded">The bits to forward the packet with.</param>
    /// <returns>
    /// False where the packet must be dropped: the network reported congestion and the packet's sender would not understand the mark.
    /// </returns>
    public static bool TryDecapsulate(byte inner, byte outer, out byte forwarded)
    {
        forwarded = (byte)(inner & Mask);
        switch (outer & Mask)
        {
            case Ce when forwarded == NotEct:
                return false;
            case Ce:
                forwarded = Ce;
                return true;
            case Ect1 when forwarded == Ect0:
                forwarded = Ect1; // the milder mark of schemes that have two
                return true;
            default:
                return true;
        }
    }
}
