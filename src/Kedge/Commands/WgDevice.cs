using Kedge.Crypto;
using Kedge.Linux.Tun;
using Kedge.Linux.Udp;
using Kedge.Node.ControlLink;
using Kedge.Node.Dataplane;
using Kedge.Node.Streams;
using Kedge.Node.Uapi;
using Kedge.Protocol;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;
using Microsoft.Extensions.Logging;

namespace Kedge.Commands;

/// <summary>A WireGuard device as one process: everything it is made of, from its start to its end.</summary>
internal static class WgDevice
{
    /// <summary>What a device is attached to that stands for itself.</summary>
    public static readonly Task Endless = new TaskCompletionSource().Task;

    /// <summary>
    /// Makes the device and runs it until SIGTERM or SIGINT, the deletion of its interface, or that of its socket. Leaves nothing behind, but
    /// a persistent interface where that was asked for.
    /// </summary>
    /// <param name="settings">What to make.</param>
    /// <param name="log">Where it tells what happens.</param>
    /// <param name="ready">Called once the device can be configured; the device ends with the task that it returns.</param>
    /// <exception cref="UserError">It cannot be made.</exception>
    public static async Task RunAsync(WgSettings settings, ILogger log, Func<Task> ready)
    {
        var signalled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var signals = new EndSignals(() => signalled.TrySetResult());

        string cipher = ChooseCipher();
        Log.Cipher(log, cipher);
        // The socket comes first, because it is the claim to the name; who connects now waits for the server.
        using UapiSocket socket = UapiSocket.Listen(settings.RuntimeDirectory, settings.InterfaceName);
        using TunInterface tun = TunInterface.Open(
            settings.InterfaceName, settings.Mtu, settings.IsPersistent, settings.NetworkNamespace, settings.Offload.Tun, settings.Queues);
        int queues = tun.Device.Queues.Count;
        if (queues < settings.Queues)
            Log.FewerQueues(log, settings.InterfaceName, settings.Queues);
        using var port = new UdpPort(settings.Offload.Udp, queues);
        using var streams = new StreamPort(port, log);
        using var dataplane = new Dataplane(tun, streams, new TimestampFile(settings.StateDirectory), Timing.Default, log);
        NodeStateFile? file = settings.Restores ? new(new NodeFolder(settings.StateDirectory, settings.InterfaceName).Node) : null;
        string? keyFile = Restore(dataplane, settings, file, log);
        dataplane.Start();
        await using StateRecorder? recorder = file is null ? null : new(file, dataplane.Status, keyFile, TimeProvider.System, log);
        await using var server = new UapiServer(socket, () => Status(dataplane, tun.Device, port), Apply, log);
        dataplane.Happened += server.Publish;

        Task attached = ready();
        Log.Ready(log, socket.Path);

        Task ended = await Task.WhenAny(signalled.Task, dataplane.Ended, socket.Removed, attached);
        if (ended == signalled.Task)
            Log.EndsBySignal(log);
        else if (ended == socket.Removed)
            Log.EndsWithoutSocket(log, socket.Path);
        else
            await ended; // throws what ended the data plane or what is attached, if it was not the interface's deletion

        void Apply(DeviceChange change)
        {
            dataplane.Apply(change);
            recorder?.Applied(change);
        }
    }

    /// <summary>
    /// Chooses what packets are sealed with, and checks it. It is done before the first packet has to wait for it.
    /// </summary>
    /// <returns>Its name, and why it was chosen.</returns>
    /// <exception cref="UserError">What was asked for is not to be had.</exception>
    public static string ChooseCipher()
    {
        try
        {
            return $"ChaCha20-Poly1305 by {ChaCha20Poly1305.Implementation}, because {ChaCha20Poly1305.ImplementationReason}";
        }
        catch (PlatformNotSupportedException e)
        {
            throw new UserError(e.Message, e);
        }
    }

    /// <summary>What the data plane tells, what the kernel lost on either side of it, and which offloads it has granted (1, else 0).</summary>
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
        Add("TunReadMalformed", losses.Malformed);
        AddOffload("OffloadTunTcp", tun.Offloads.HasFlag(TunOffloads.Tcp));
        AddOffload("OffloadTunUdp", tun.Offloads.HasFlag(TunOffloads.Udp));
        AddOffload("OffloadTunWrite", tun.Offloads != TunOffloads.None && !tun.RefusesJoined);
        AddOffload("OffloadUdpSegmentation", port.Offloads.HasFlag(UdpOffloads.Segmentation));
        AddOffload("OffloadUdpCoalescing", port.Offloads.HasFlag(UdpOffloads.Coalescing));
        return status;

        void Add(string name, long value) => status.Gauges.Add(new NamedCount(name, value));
        void AddOffload(string name, bool isInForce) => Add(name, isInForce ? 1 : 0);
    }

    /// <summary>Makes the device what it was, as far as that was kept, and gives it its key.</summary>
    /// <returns>The file with the key; null where nobody has named one.</returns>
    /// <exception cref="UserError">The key cannot be read, or the port cannot be had.</exception>
    private static string? Restore(Dataplane dataplane, WgSettings settings, NodeStateFile? file, ILogger log)
    {
        NodeState state = file?.Read((path, reason) => Log.StateDamaged(log, path, reason)) ?? new NodeState();
        string? keyFile = settings.PrivateKeyFile ?? state.PrivateKeyFile;
        using DeviceChange change = state.ToChange();
        if (settings.ListenPort != 0)
            change.ListenPort = settings.ListenPort;
        try
        {
            if (keyFile is not null)
                change.PrivateKey = PrivateKeyFile.Read(keyFile);
        }
        catch (UserError e) when (settings.PrivateKeyFile is null)
        {
            Log.KeyUnknown(log, e.Message);
        }
        if (keyFile is null && state.Peers.Count > 0)
            Log.KeyUnknown(log, "nobody has named its file. Name it with --private-key-file, or set it with 'wg set'.");
        try
        {
            dataplane.Restore(change, state.ListenPort, state.HasFixedPort, state.ActivePeers(DateTimeOffset.UtcNow));
        }
        catch (UapiException e)
        {
            throw new UserError($"{e.Error.Reason}. {settings.PortAdvice}", e);
        }
        state.Clear();
        if (state.Peers.Count > 0)
            Log.Restored(log, state.Peers.Count);
        return keyFile;
    }
}
