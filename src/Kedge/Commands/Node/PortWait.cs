using Kedge.Linux.Udp;
using Kedge.Node.Uapi;
using Kedge.Protocol;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Commands.Node;

/// <summary>
/// What <c>kedge up</c> does about a UDP port that it is asked for and that somebody else has: it says who, waits in case that one is about
/// to end, and gives up. Later on, a node waits for its port for as long as it takes.
/// </summary>
internal static class PortWait
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    /// <summary>Waits until a port can be had, or the interface's device has it already.</summary>
    /// <param name="place">The interface.</param>
    /// <param name="number">The port; 0 for any, which is not waited for.</param>
    /// <param name="say">Receives what is waited for.</param>
    /// <param name="ending">Ends the wait.</param>
    /// <exception cref="UserError">The port cannot be had.</exception>
    /// <exception cref="OperationCanceledException">The wait was ended.</exception>
    public static async Task WaitAsync(NodePlace place, ushort number, Action<string> say, CancellationToken ending)
    {
        if (number == 0 || PortOf(place) == number || PortAvailability.Error(number) is not { } error)
            return;
        say($"{error}. Waiting up to {Patience.TotalSeconds:0} s for it; --listen-port chooses another one.");
        using var patience = new CancellationTokenSource(Patience);
        while (!PortAvailability.IsAvailable(number))
        {
            if (patience.IsCancellationRequested)
                throw new UserError($"{error}. Choose another one with --listen-port, or 0 for any that is free.");
            await Task.Delay(Interval, ending);
        }
    }

    private static ushort PortOf(NodePlace place)
    {
        try
        {
            using DeviceStatus status = UapiClient.GetStatus(place.RuntimeDirectory, place.Interface);
            return status.ListenPort;
        }
        catch (Exception e) when (e is UserError or UapiException)
        {
            return 0; // There is no device yet.
        }
    }
}
