using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Stun;

/// <summary>Where a request arrived, and from where else the server can answer it (RFC 5780, section 6).</summary>
/// <param name="Arrived">The server's endpoint that was asked.</param>
/// <param name="OtherAddress">Another address of the same family at which the server has both ports; none where it has no other.</param>
/// <param name="OtherPort">The other port of the server's addresses; 0 where there is none.</param>
public readonly record struct StunOrigins(Endpoint Arrived, IpAddress OtherAddress = default, ushort OtherPort = 0)
{
    /// <summary>Whether there is an origin that differs in the address.</summary>
    public bool CanChangeAddress => !OtherAddress.IsNone;

    /// <summary>Whether there is an origin that differs in the port.</summary>
    public bool CanChangePort => OtherPort != 0;

    /// <summary>What differs in all that it can, which OTHER-ADDRESS tells.</summary>
    public Endpoint Other => With(CanChangeAddress, CanChangePort);

    /// <summary>The origin of an answer that is asked to differ.</summary>
    public Endpoint With(bool otherAddress, bool otherPort) =>
        new(otherAddress ? OtherAddress : Arrived.Address, otherPort ? OtherPort : Arrived.Port);
}
