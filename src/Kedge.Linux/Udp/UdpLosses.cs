namespace Kedge.Linux.Udp;

/// <summary>How many datagrams a <see cref="UdpPort"/> has lost since it was made, by reason.</summary>
/// <param name="SendQueueFull">To be sent, but the kernel had no room.</param>
/// <param name="TooLong">To be sent, but longer than its path or UDP allows (EMSGSIZE).</param>
/// <param name="Unreachable">To be sent, but there is no route.</param>
/// <param name="Forbidden">To be sent, but a firewall or the kernel forbids it (EPERM, EACCES).</param>
/// <param name="Refused">To be sent, but the kernel refused it for another reason, such as a destination that makes no sense.</param>
/// <param name="Closed">To be sent while the port was closed, or in a family that this machine does not speak.</param>
/// <param name="ReceiveQueueFull">Received by the kernel, but not fetched soon enough.</param>
/// <param name="Truncated">Received, but longer than a buffer.</param>
public readonly record struct UdpLosses(
    long SendQueueFull, long TooLong, long Unreachable, long Forbidden, long Refused, long Closed, long ReceiveQueueFull, long Truncated);
