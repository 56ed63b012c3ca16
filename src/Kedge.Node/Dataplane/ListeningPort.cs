using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.Dataplane;

/// <summary>
/// The UDP port of a device, open while the device is up. A fixed port, one that was asked for, is tried again and again if somebody else
/// has it. A random port is kept while the device is down and over restarts, and replaced by another one if it is taken meanwhile. Owned by
/// the handshake thread.
/// </summary>
/// <param name="port">The sockets; the caller's.</param>
/// <param name="log">Receives a line when a port cannot be had, is replaced, or can be had again.</param>
public sealed class ListeningPort(IDatagramPort port, ILogger log)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(5);

    private TimeSpan _delay;

    /// <summary>The port that is open, or that would be if the device were up; 0 for a random one not chosen yet.</summary>
    public ushort Configured { get; private set; }

    /// <summary>Whether the port was asked for, so that no other will do.</summary>
    public bool IsFixed { get; private set; }

    /// <summary>The firewall mark of what is sent; 0 for none.</summary>
    public uint Mark { get; private set; }

    /// <summary>Why the port is not open although the device is up: a sentence without a full stop; null if nothing is wrong.</summary>
    public string? Problem { get; private set; }

    /// <summary>When <see cref="TryAgain"/> is to be called; <see cref="Instant.Never"/> if nothing is wrong.</summary>
    public Instant RetryAt { get; private set; } = Instant.Never;

    /// <summary>Whether the device is up.</summary>
    public bool IsUp { get; private set; }

    /// <summary>The port to show: never one that the device does not have although it is up.</summary>
    public ushort Shown => Problem is null ? Configured : (ushort)0;

    /// <summary>Takes a port that a process before this one had. Only while the device is down.</summary>
    /// <param name="number">The port; 0 for none.</param>
    /// <param name="isFixed">Whether no other will do.</param>
    public void Restore(ushort number, bool isFixed) => (Configured, IsFixed) = (number, isFixed && number != 0);

    /// <summary>The device comes up: opens the port.</summary>
    /// <returns>Whether it is open; otherwise it is tried again.</returns>
    public bool Up(Instant now)
    {
        IsUp = true;
        _delay = FirstDelay;
        return TryOpen(now);
    }

    /// <summary>The device goes down: closes the port.</summary>
    public void Down()
    {
        IsUp = false;
        (Problem, RetryAt) = (null, Instant.Never);
        port.Close();
    }

    /// <summary>Tries again to open the port, if it is time.</summary>
    /// <returns>Whether the port has just been opened.</returns>
    public bool TryAgain(Instant now) => now >= RetryAt && TryOpen(now);

    /// <summary>Moves to another port, in place of one that is tried again, too.</summary>
    /// <param name="number">The port; 0 for a random one.</param>
    /// <exception cref="LinuxException">
    /// The port cannot be had; nothing has changed. While the device is down, this is found out by trying.
    /// </exception>
    public void Move(ushort number)
    {
        if (IsUp)
            port.Open(number, Mark);
        else if (number != 0)
            port.Probe(number);
        Opened(IsUp ? (ushort)port.Port : number);
        IsFixed = number != 0;
    }

    /// <summary>Sets the firewall mark.</summary>
    /// <exception cref="LinuxException">This process may not; nothing has changed.</exception>
    public void SetMark(uint mark)
    {
        port.SetMark(mark);
        Mark = mark;
    }

    private bool TryOpen(Instant now)
    {
        try
        {
            port.Open(Configured, Mark);
        }
        catch (LinuxException e) when (!IsFixed && Configured != 0 && e.Errno == Errno.EADDRINUSE)
        {
            string reason = PortAvailability.Describe(Configured, e);
            Configured = 0;
            if (!TryOpen(now))
                return false;
            Log.PortReplaced(log, reason, Configured);
            return true;
        }
        catch (LinuxException e)
        {
            Failed(now, e);
            return false;
        }
        if (Problem is not null)
            Log.PortOpened(log, port.Port);
        Opened((ushort)port.Port);
        return true;
    }

    private void Failed(Instant now, LinuxException failure)
    {
        RetryAt = now + _delay;
        _delay = 2 * _delay < LongestDelay ? 2 * _delay : LongestDelay;
        if (Problem is not null)
            return;
        Problem = PortAvailability.Describe(Configured, failure);
        Log.PortUnavailable(log, Problem);
    }

    private void Opened(ushort number)
    {
        Configured = number;
        (Problem, RetryAt) = (null, Instant.Never);
    }
}
