using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Linux;

/// <summary>
/// A host with a TUN that a test reads and writes, in place of everyone else. The host's end has 10.9.0.1 and fd09::1, or another last
/// number; the test plays those with the others.
/// </summary>
internal static class TunHost
{
    /// <summary>Devices whose descriptor has a new owner: never disposed of and never collected, for either would close it.</summary>
    private static readonly List<TunDevice> HandedOver = [];

    /// <summary>The host's address, and that of everyone else, in both families.</summary>
    public static TheoryData<string, string> Ends => new()
    {
        { "10.9.0.1", "10.9.0.2" },
        { "fd09::1", "fd09::2" },
    };

    /// <summary>Makes a TUN that is up and has its addresses.</summary>
    public static TunDevice AddTun(
        this Host host, string number = "1", int mtu = TunDevice.DefaultMtu, bool withOffloads = false, int queues = 1)
    {
        TunDevice tun = host.CreateTun(host.Topology.NewInterfaceName(), mtu, withOffloads: withOffloads, queues: queues);
        host.SetUp(tun, number);
        return tun;
    }

    /// <summary>Makes a TUN, or attaches to it, that is as the kernel makes it or as it was left.</summary>
    public static TunDevice CreateTun(
        this Host host,
        string name,
        int mtu = TunDevice.DefaultMtu,
        bool isPersistent = false,
        bool withOffloads = false,
        int queues = 1) =>
        host.Namespace.Run(() => TunDevice.Create(name, mtu, isPersistent, withOffloads, queues));

    /// <summary>
    /// Attaches to the persistent TUN that this process has left. A child that another test forked meanwhile holds a copy of it until it runs
    /// its program, which is waited for.
    /// </summary>
    public static TunDevice AdoptTun(this Host host, string name, bool withOffloads, int queues = 1)
    {
        TunDevice? tun = null;
        Wait.Until(() => TryAdopt(out tun), Receiver.Patience, $"nobody holds {name}");
        return tun!;

        bool TryAdopt(out TunDevice? adopted)
        {
            try
            {
                adopted = host.CreateTun(name, isPersistent: true, withOffloads: withOffloads, queues: queues);
                return true;
            }
            catch (LinuxException e) when (e.Errno == Errno.EBUSY)
            {
                adopted = null;
                return false;
            }
        }
    }

    /// <summary>Gives a TUN its addresses and sets it up.</summary>
    public static void SetUp(this Host host, TunDevice tun, string number = "1")
    {
        host.AddAddress(tun.Name, $"10.9.0.{number}/24");
        host.AddAddress(tun.Name, $"fd09::{number}/64");
        host.Ip("link", "set", tun.Name, "up");
    }

    /// <summary>Opens a port of the kernel's choice on the host.</summary>
    public static UdpPort OpenPort(this Host host, bool withOffloads = false, int sockets = 1) => host.Namespace.Run(() =>
    {
        var port = new UdpPort(withOffloads, sockets);
        port.Open(0);
        return port;
    });

    /// <summary>An echo request from everyone else to the host.</summary>
    public static PacketBuffer Ping(int payloadLength = 56)
    {
        var from = new Endpoint(IpAddress.Parse("10.9.0.2"), 0);
        return Batch.IpPacket(Batch.Icmp, from, new(IpAddress.Parse("10.9.0.1"), 0), payloadLength);
    }

    /// <summary>Gives away a device's descriptor: it is the caller's, and the device is not to be used any longer.</summary>
    public static int HandOver(TunDevice giver)
    {
        HandedOver.Add(giver);
        return Assert.Single(Descriptors.Open(target => target == "/dev/net/tun"), one => Descriptors.Line(one, "iff") == giver.Name);
    }
}
