using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Netlink;
using Kedge.Linux.Tun;
using Kedge.Protocol;

namespace Kedge.Node.Dataplane;

/// <summary>
/// A TUN interface, created or adopted, together with its link monitor, both in one network namespace. Whoever opened it disposes it.
/// </summary>
public sealed class TunInterface : IPacketDevice, IDisposable
{
    private readonly LinkMonitor _link;

    private TunInterface(TunDevice device, LinkMonitor link) => (Device, _link) = (device, link);

    /// <summary>The interface.</summary>
    public TunDevice Device { get; }

    /// <inheritdoc/>
    public string Name => Device.Name;

    /// <inheritdoc/>
    public int Mtu => Device.Mtu;

    /// <inheritdoc/>
    public IReadOnlyList<IPacketQueue> Queues => Device.Queues;

    /// <summary>Makes an interface, or adopts the persistent one of its name, with the addresses and routes that it has.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="mtu">Bytes of its longest packet.</param>
    /// <param name="isPersistent">Whether it is to stay when this process ends.</param>
    /// <param name="namespaceName">The network namespace that it is to be in, by its name; null for this process's.</param>
    /// <param name="withOffloads">Whether to use the offloads that the kernel has, see <see cref="TunDevice.Offloads"/>.</param>
    /// <param name="queues">How many queues to have where it can have several, see <see cref="TunDevice.Create"/>.</param>
    /// <exception cref="UserError">It cannot be had.</exception>
    public static TunInterface Open(string name, int mtu, bool isPersistent, string? namespaceName, bool withOffloads, int queues)
    {
        if (namespaceName is null)
            return OpenHere(name, mtu, isPersistent, withOffloads, queues, $"ip link delete {name}");
        NetworkNamespace inside = FindNamespace(namespaceName);
        return inside.Run(() => OpenHere(name, mtu, isPersistent, withOffloads, queues, $"ip -n {namespaceName} link delete {name}"));
    }

    /// <inheritdoc/>
    public bool TryReadState(out LinkState state)
    {
        if (!_link.TryRead(out state))
            return false;
        if (!state.Deleted)
            Device.RecordMtu(state.Mtu);
        return true;
    }

    /// <inheritdoc/>
    public Waiter CreateWaiter(RouteChanges? routes) => new(_link, routes);

    /// <inheritdoc/>
    public void Dispose()
    {
        _link.Dispose();
        Device.Dispose();
    }

    /// <summary>The network namespace of a name.</summary>
    /// <exception cref="UserError">There is none.</exception>
    public static NetworkNamespace FindNamespace(string name)
    {
        try
        {
            return NetworkNamespace.Open(name);
        }
        catch (Exception e) when (e is LinuxException or ArgumentException)
        {
            throw new UserError($"There is no network namespace '{name}'. Make it first: ip netns add {name}", e);
        }
    }

    private static TunInterface OpenHere(
        string name, int mtu, bool isPersistent, bool withOffloads, int queues, string commandToDelete)
    {
        TunDevice device = Attach(name, mtu, isPersistent, withOffloads, queues, commandToDelete);
        try
        {
            return new TunInterface(device, new LinkMonitor(InterfaceName.ToIndex(device.Name), device));
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    private static TunDevice Attach(
        string name, int mtu, bool isPersistent, bool withOffloads, int queues, string commandToDelete)
    {
        try
        {
            using (RouteSocket kernel = RouteSocket.Open())
                if (kernel.FindLink(name) is { } existing && WhyNotOurs(existing) is { } reason)
                    throw new UserError($"{name} {reason}. Choose another name, or delete what has it: {commandToDelete}");
            return TunDevice.Create(name, mtu, isPersistent, withOffloads, queues);
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
            throw new UserError($"{e.Message}. Choose another name, or delete what has it: {commandToDelete}", e);
        }
    }

    /// <summary>Why an interface of our name cannot be adopted; null where it can, or where only trying tells.</summary>
    private static string? WhyNotOurs(NetworkLink existing) => existing.Tun switch
    {
        null => $"is an interface already, and no TUN: it is of the kind '{(existing.Kind.Length == 0 ? "hardware" : existing.Kind)}'",
        { IsTun: false } => "is a TAP, which carries Ethernet frames: a TUN is needed",
        { AttachedQueues: > 0 } => "is a TUN with several queues, some of which another process holds",
        _ => null,
    };
}
