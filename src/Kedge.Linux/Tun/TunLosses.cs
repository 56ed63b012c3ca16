namespace Kedge.Linux.Tun;

/// <summary>How many packets a <see cref="TunDevice"/> could not write since it was made.</summary>
/// <param name="Down">The interface was down or gone.</param>
/// <param name="QueueFull">The kernel had no room.</param>
/// <param name="Refused">The kernel did not take it for an IP packet, or refused it for another reason.</param>
public readonly record struct TunLosses(long Down, long QueueFull, long Refused);
