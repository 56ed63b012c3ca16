using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Stun;

/// <summary>What a <see cref="NatBehaviourProbe"/> has found out about the NATs and firewalls on the way to its servers.</summary>
/// <param name="Server">The server whose answers this rests on; none where no server has answered.</param>
/// <param name="Reflexive">From where that server saw the request.</param>
/// <param name="IsTranslated">Whether that is none of the machine's own addresses.</param>
/// <param name="Mapping">On what of a destination the endpoint depends that it sees.</param>
/// <param name="Filtering">On what of a source it depends whether its datagrams are let in, after one was sent to another.</param>
/// <param name="Hairpin">
/// Whether machines behind the NAT reach each other by the endpoints that others see; null where that is not known, or there is no NAT.
/// </param>
/// <param name="ServerAddresses">
/// From how many addresses the server answers, 1 or 2; 0 where it has no other port. Two are needed to tell all kinds apart.
/// </param>
public sealed record NatBehaviour(
    Endpoint Server,
    Endpoint Reflexive,
    bool IsTranslated,
    NatDependence Mapping,
    NatDependence Filtering,
    bool? Hairpin,
    int ServerAddresses)
{
    /// <summary>Whether any server has answered.</summary>
    public bool IsAnswered => !Server.IsNone;
}
