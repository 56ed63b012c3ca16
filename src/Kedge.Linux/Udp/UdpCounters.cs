namespace Kedge.Linux.Udp;

/// <summary>Counts what both halves of a <see cref="UdpPort"/> lose. Any thread; only a loss costs something.</summary>
internal sealed class UdpCounters
{
    private long _sendQueueFull;
    private long _tooLong;
    private long _unreachable;
    private long _forbidden;
    private long _refused;
    private long _closed;
    private long _receiveQueueFull;
    private long _truncated;

    /// <summary>Adds datagrams that could not be sent for the reason that the kernel gave.</summary>
    public void CountLost(int error, int count)
    {
        ref long counter = ref _refused;
        switch (error)
        {
            case Errno.EAGAIN or Errno.ENOBUFS or Errno.ENOMEM:
                counter = ref _sendQueueFull;
                break;
            case Errno.EMSGSIZE:
                counter = ref _tooLong;
                break;
            case Errno.ENETUNREACH or Errno.EHOSTUNREACH or Errno.EADDRNOTAVAIL or Errno.ENETDOWN or Errno.ENODEV or Errno.ENXIO:
                counter = ref _unreachable;
                break;
            case Errno.EPERM or Errno.EACCES:
                counter = ref _forbidden;
                break;
        }
        Interlocked.Add(ref counter, count);
    }

    /// <summary>Adds datagrams that were to be sent through a closed socket.</summary>
    public void CountClosed(int count) => Interlocked.Add(ref _closed, count);

    /// <summary>Adds what a socket's queue had no room for, when that socket is closed.</summary>
    public void CountReceiveQueueFull(long count) => Interlocked.Add(ref _receiveQueueFull, count);

    /// <summary>Adds a received datagram that was longer than its buffer.</summary>
    public void CountTruncated() => Interlocked.Increment(ref _truncated);

    /// <summary>Everything so far, and what the queues of the present sockets had no room for.</summary>
    public UdpLosses Read(long presentReceiveQueueFull) => new(
        Volatile.Read(ref _sendQueueFull),
        Volatile.Read(ref _tooLong),
        Volatile.Read(ref _unreachable),
        Volatile.Read(ref _forbidden),
        Volatile.Read(ref _refused),
        Volatile.Read(ref _closed),
        Volatile.Read(ref _receiveQueueFull) + presentReceiveQueueFull,
        Volatile.Read(ref _truncated));
}
