namespace Kedge.Linux.Tun;

/// <summary>How many packets a <see cref="TunDevice"/> has lost since it was made.</summary>
/// <param name="Down">To be written, but the interface was down or gone.</param>
/// <param name="QueueFull">To be written, but the kernel had no room.</param>
/// <param name="Refused">
/// To be written, but the kernel did not take it for an IP packet, the device has no offload for it, or there was another reason.
/// </param>
/// <param name="Malformed">Read, but with a header that made no sense.</param>
public readonly record struct TunLosses(long Down, long QueueFull, long Refused, long Malformed)
{
    /// <summary>What two have lost together.</summary>
    public static TunLosses operator +(TunLosses a, TunLosses b) =>
        new(a.Down + b.Down, a.QueueFull + b.QueueFull, a.Refused + b.Refused, a.Malformed + b.Malformed);
}
