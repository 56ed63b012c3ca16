using Kedge.Demo;
using Kedge.Demo.Nat;

namespace Kedge.SystemTests.Topologies;

/// <summary>The internet with a server to probe NATs by, which tests add gateways to.</summary>
public sealed class NatLab : IDisposable
{
    private readonly Topology _net = Topology.Create();

    public NatLab()
    {
        Internet = new Internet(_net.AddSwitch("internet"));
        ServerHost = _net.AddHost("server");
        Internet.Attach(ServerHost, 10);
        ServerHost.AddAddress("eth0", "192.0.2.11/24");
        ServerHost.AddAddress("eth0", "2001:db8::11/64");
        Server = new NatProbeServer(ServerHost, "192.0.2.10", "192.0.2.11");
        ServerOfIpv6 = new NatProbeServer(ServerHost, "2001:db8::10", "2001:db8::11", firstPort: 4002);
    }

    internal Internet Internet { get; }

    internal Host ServerHost { get; }

    internal NatProbeServer Server { get; }

    internal NatProbeServer ServerOfIpv6 { get; }

    public void Dispose()
    {
        Server.Dispose();
        ServerOfIpv6.Dispose();
        _net.Dispose();
    }
}
