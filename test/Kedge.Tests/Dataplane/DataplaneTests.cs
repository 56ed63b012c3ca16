using Kedge.Linux.Netlink;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Tests.Dataplane;

/// <summary>Two whole data planes, their threads included, joined in memory.</summary>
public sealed class DataplaneTests : IDisposable
{
    private const ushort PortOfA = 1001, PortOfB = 1002;

    private readonly DataplaneNode _a = new("192.0.2.1", "10.0.0.1");
    private readonly DataplaneNode _b = new("192.0.2.2", "10.0.0.2");

    [Fact]
    public void A_packet_crosses_and_is_answered()
    {
        DataplaneNode.StartJoined(_a, PortOfA, _b, PortOfB);
        _a.Send(_b, 1);
        DataplaneNode.WaitFor(() => _b.HasReceived(1));
        _b.Send(_a, 2); // b has learned where a is
        DataplaneNode.WaitFor(() => _a.HasReceived(2));
        Assert.Equal(_a.Port.Socket.Address, _b.Read(status => status.Peers[0].Endpoint));
    }

    [Fact]
    public void While_the_interface_is_down_the_port_is_closed_and_then_packets_cross_again()
    {
        DataplaneNode.StartJoined(_a, PortOfA, _b, PortOfB);
        _a.Send(_b, 1);
        DataplaneNode.WaitFor(() => _b.HasReceived(1));

        _b.SetUp(false);
        DataplaneNode.WaitFor(() => _b.Port.Port == 0);
        _a.Send(_b, 2);
        DataplaneNode.WaitFor(() => _a.Read(status => status.Drops.Single(drop => drop.Name == "SendFailed").Value) > 0);
        Assert.False(_b.HasReceived(2));

        _b.SetUp(true);
        DataplaneNode.WaitFor(() => _b.Port.Port == PortOfB);
        _a.SendUntilReceived(_b, 3);
        Assert.False(_b.HasReceived(2));
    }

    [Fact]
    public void A_fixed_port_that_is_taken_while_the_interface_is_down_is_tried_until_it_is_free()
    {
        DataplaneNode.StartJoined(_a, PortOfA, _b, PortOfB);
        _b.SetUp(false);
        DataplaneNode.WaitFor(() => _b.Port.Port == 0);
        _b.Port.Take(PortOfB);
        _b.SetUp(true);
        DataplaneNode.WaitFor(() => _b.Read(status => status.PortProblem) is not null);
        Assert.Equal((0, PortOfB), _b.Read(status => ((int)status.ListenPort, status.ConfiguredPort)));

        _b.Port.GiveUp(PortOfB);
        DataplaneNode.WaitFor(() => _b.Read(status => status.PortProblem) is null);
        _a.SendUntilReceived(_b, 1);
    }

    [Fact]
    public void A_port_that_is_taken_is_refused_when_it_is_set_and_nothing_changes()
    {
        DataplaneNode.StartJoined(_a, PortOfA, _b, PortOfB);
        _b.Port.Take(1003);
        using var change = new DeviceChange { ListenPort = 1003, Fwmark = 7 };
        Assert.Equal(UapiError.AddressInUse, Assert.Throws<UapiException>(() => _b.Dataplane.Apply(change)).Error.Errno);
        Assert.Equal((PortOfB, 0u), _b.Read(status => (status.ListenPort, status.Fwmark)));
        Assert.Equal((PortOfB, 0u), (_b.Port.Port, _b.Port.Mark));
        _a.Send(_b, 1);
        DataplaneNode.WaitFor(() => _b.HasReceived(1));
    }

    [Fact]
    public void A_new_MTU_is_the_devices_and_a_deleted_interface_ends_it()
    {
        DataplaneNode.StartJoined(_a, PortOfA, _b, PortOfB);
        _b.Device.Set(new LinkState(Up: true, Mtu: 1300));
        DataplaneNode.WaitFor(() => _b.Read(status => status.Mtu) == 1300);
        Assert.False(_b.Dataplane.Ended.IsCompleted);
        _b.Device.Set(new LinkState(Up: false, Mtu: 1300, Deleted: true));
        DataplaneNode.WaitFor(() => _b.Dataplane.Ended.IsCompletedSuccessfully);
    }

    public void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
    }
}
