using Kedge.Demo;

namespace Kedge.Bench.Dataplane;

/// <summary>What carries packets between the two hosts of a <see cref="BenchPath"/>.</summary>
/// <param name="Name">The head of its column.</param>
internal abstract record Contender(string Name)
{
    /// <summary>Bytes of the longest packet that it can be told to carry.</summary>
    public virtual int MaximumMtu => 65535 - BenchPath.OuterHeaders;

    /// <summary>Starts it on both hosts, which have a cable between them.</summary>
    /// <param name="a">The host at <see cref="BenchPath.CableOfA"/>.</param>
    /// <param name="b">The host at <see cref="BenchPath.CableOfB"/>.</param>
    /// <param name="mtu">Bytes of the longest packet that it is to carry.</param>
    public abstract Ends Start(Host a, Host b, int mtu);
}

/// <summary>The two ends of what a <see cref="Contender"/> has started.</summary>
/// <param name="AddressOfA">The address of the first host that leads there by the contender.</param>
/// <param name="AddressOfB">That of the second host.</param>
/// <param name="InterfaceOfB">The interface of the second host that packets come out of.</param>
internal record Ends(string AddressOfA, string AddressOfB, string InterfaceOfB)
{
    /// <summary>Bytes that the kernel's counters of this interface have for each packet beside the packet itself.</summary>
    public int LinkHeader { get; init; }
}

/// <summary>The ends of a tunnel between two WireGuard devices.</summary>
/// <param name="DeviceOfA">The device at the first host; the only one that knows an endpoint.</param>
/// <param name="DeviceOfB">The device at the second host.</param>
internal sealed record Devices(DeviceProcess DeviceOfA, DeviceProcess DeviceOfB)
    : Ends(BenchPath.TunnelOfA, BenchPath.TunnelOfB, DeviceOfB.Name);

/// <summary>A program that is WireGuard, at both ends.</summary>
/// <param name="Name">The head of its column.</param>
/// <param name="StartDevice">Starts a device.</param>
internal sealed record WireGuard(string Name, Func<Host, DeviceProcess> StartDevice) : Contender(Name)
{
    public override Ends Start(Host a, Host b, int mtu)
    {
        (DeviceProcess atA, DeviceProcess atB) = (StartDevice(a), StartDevice(b));
        atA.SetUp([$"{BenchPath.TunnelOfA}/24"], mtu);
        atB.SetUp([$"{BenchPath.TunnelOfB}/24"], mtu);
        atA.AddPeer(atB, [$"{BenchPath.TunnelOfB}/32"], $"{BenchPath.CableOfB}:{atB.ListenPort}");
        atB.AddPeer(atA, [$"{BenchPath.TunnelOfA}/32"]);
        return new Devices(atA, atB);
    }
}

/// <summary>
/// The cable itself: what this machine does without any tunnel. For single datagrams that is no upper bound: the sender of a veth pair does
/// the receiver's work too, and that of a TUN does not.
/// </summary>
internal sealed record BareCable() : Contender("cable alone")
{
    private const int EthernetHeader = 14;

    public override Ends Start(Host a, Host b, int mtu)
    {
        a.Ip("link", "set", a.Interfaces[0], "mtu", $"{mtu}");
        b.Ip("link", "set", b.Interfaces[0], "mtu", $"{mtu}");
        return new Ends(BenchPath.CableOfA, BenchPath.CableOfB, b.Interfaces[0]) { LinkHeader = EthernetHeader };
    }
}
