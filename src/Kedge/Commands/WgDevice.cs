using System.Runtime.InteropServices;
using Kedge.Linux;
using Kedge.Linux.Netlink;
using Kedge.Linux.Tun;
using Kedge.Linux.Udp;
using Kedge.Node.Dataplane;
using Kedge.Node.Uapi;
using Kedge.Protocol;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;
using Microsoft.Extensions.Logging;

namespace Kedge.Commands;

/// <summary>A WireGuard device as one process: everything it is made of, from its start to its end.</summary>
internal static class WgDevice
{
    /// <summary>
    /// Makes the device and runs it until SIGTERM or SIGINT, the deletion of its interface, or that of its socket. Leaves nothing behind.
    /// </summary>
    /// <param name="settings">What to make.</param>
    /// <param name="log">Where it tells what happens.</param>
    /// <param name="ready">Called once the device can be configured.</param>
    /// <exception cref="UserError">It cannot be made.</exception>
    public static async Task RunAsync(WgSettings settings, ILogger log, Action ready)
    {
        var signalled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using PosixSignalRegistration terminate = OnSignal(PosixSignal.SIGTERM, signalled);
        using PosixSignalRegistration interrupt = OnSignal(PosixSignal.SIGINT, signalled);

        // The socket comes first, because it is the claim to the name; who connects now waits for the server.
        using UapiSocket socket = UapiSocket.Listen(settings.RuntimeDirectory, settings.InterfaceName);
        using TunDevice tun = CreateTun(settings);
        using var link = new LinkMonitor(InterfaceName.ToIndex(tun.Name));
        using var port = new UdpPort();
        using var dataplane = new Dataplane(tun, port, link, new TimestampFile(settings.StateDirectory), Timing.Default, log);
        dataplane.Start();
        await using var server = new UapiServer(socket, () => Status(dataplane, tun, port), dataplane.Apply, log);

        ready();
        Log.Ready(log, socket.Path);

        Task ended = await Task.WhenAny(signalled.Task, dataplane.Ended, socket.Removed);
        if (ended == signalled.Task)
            Log.EndsBySignal(log);
        else if (ended == socket.Removed)
            Log.EndsWithoutSocket(log, socket.Path);
        else
            await ended; // throws what ended the data plane, if it was not the interface's deletion
    }

    /// <summary>What the data plane tells, and what the kernel lost on either side of it.</summary>
    private static DeviceStatus Status(Dataplane dataplane, TunDevice tun, UdpPort port)
    {
        DeviceStatus status = dataplane.Status();
        (UdpLosses udp, TunLosses losses) = (port.Losses, tun.Losses);
        Add("UdpReceiveQueueFull", udp.ReceiveQueueFull);
        Add("UdpReceivedTruncated", udp.Truncated);
        Add("UdpSendQueueFull", udp.SendQueueFull);
        Add("UdpSendTooLong", udp.TooLong);
        Add("UdpSendUnreachable", udp.Unreachable);
        Add("UdpSendForbidden", udp.Forbidden);
        Add("UdpSendRefused", udp.Refused);
        Add("UdpSendClosed", udp.Closed);
        Add("TunWriteDown", losses.Down);
        Add("TunWriteQueueFull", losses.QueueFull);
        Add("TunWriteRefused", losses.Refused);
        return status;

        void Add(string name, long value) => status.Gauges.Add(new NamedCount(name, value));
    }

    private static PosixSignalRegistration OnSignal(PosixSignal signal, TaskCompletionSource signalled) =>
        PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true; // the signal's own effect, which would leave no time to clean up
            signalled.TrySetResult();
        });

    private static TunDevice CreateTun(WgSettings settings)
    {
        try
        {
            return TunDevice.Create(settings.InterfaceName, settings.Mtu);
        }
        catch (LinuxException e) when (e.Errno is Errno.EPERM or Errno.EACCES)
        {
            throw new UserError($"{e.Message}. An interface can be made by root only, or with the capability CAP_NET_ADMIN.", e);
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.ENODEV or Errno.ENXIO)
        {
            throw new UserError($"{e.Message}. Load the module with 'modprobe tun'; a container needs the device /dev/net/tun.", e);
        }
        catch (LinuxException e)
        {
            throw new UserError($"{e.Message}. Choose another name, or delete what has it: ip link delete {settings.InterfaceName}", e);
        }
    }
}
