using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Linux;

/// <summary>All in one namespace, so that nothing else on the machine takes the ports that these tests give up.</summary>
public class UdpPortChangeTests : IDisposable
{
    private static readonly IpAddress Loopback4 = IpAddress.Parse("127.0.0.1");
    private static readonly IpAddress Loopback6 = IpAddress.Parse("::1");

    private readonly Topology _net = Topology.Create();
    private readonly Host _host;

    public UdpPortChangeTests() => _host = _net.AddHost("a");

    public void Dispose()
    {
        _net.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void A_new_port_is_closed()
    {
        using UdpPort port = new();

        Assert.Equal(0, port.Port);
        Assert.False(port.HasIPv4 || port.HasIPv6);
        Assert.Equal(0, port.Receive(Batch.Of(1)));
        Assert.Equal(0, port.Send([Batch.Datagram(new(Loopback4, 9)), Batch.Datagram(new(Loopback6, 9))]));
        Assert.Equal(new UdpLosses { Closed = 2 }, port.Losses);
    }

    [Fact]
    public void A_waiting_receiver_goes_on_with_the_new_port()
    {
        using UdpPort sender = Opened(), port = Opened();
        using var receiver = new Receiver(port);
        int first = port.Port;

        Open(port, 0);

        Assert.NotEqual(first, port.Port);
        sender.Send([Batch.Datagram(new(Loopback4, (ushort)port.Port), 1), Batch.Datagram(new(Loopback6, (ushort)port.Port), 2)]);
        Assert.Equal([1, 2], receiver.Take(2).Select(got => got.Number).Order());
        Assert.All(receiver.All, got => Assert.Equal(port.Port, got.Destination.Port));
    }

    [Fact]
    public void The_old_port_is_free_although_a_thread_waits_on_it()
    {
        using UdpPort port = Opened(), other = new();
        using var receiver = new Receiver(port);
        Wait.Until(() => receiver.Waits > 0, Receiver.Patience, "the receiver");
        ushort first = (ushort)port.Port;

        Open(port, 0);
        Wait.Until(() => TryOpen(other, first), Receiver.Patience, "the first port");
        ushort second = (ushort)port.Port;
        port.Close();
        Wait.Until(() => TryOpen(other, second), Receiver.Patience, "the second port");

        Assert.Equal(second, other.Port);
        Assert.Equal(0, port.Port);
        Open(port, first);
        other.Send([Batch.Datagram(new(Loopback4, first), 3)]);
        Assert.Equal(3, Assert.Single(receiver.Take(1)).Number);
    }

    [Fact]
    public void A_port_changes_under_traffic_without_harm_to_those_who_send_and_receive()
    {
        using UdpPort sender = Opened(), port = Opened();
        using var receiver = new Receiver(port);
        bool stopping = false;
        Exception? failure = null;
        Thread[] traffic = [Loop(() => sender.Send(To(port.Port))), Loop(() => port.Send(To(sender.Port)))];
        foreach (Thread thread in traffic)
            thread.Start();
        ushort[] ports = [(ushort)port.Port, 0];

        _host.Namespace.Run(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                if (i % 10 == 0)
                    port.Close();
                port.Open(ports[i % 2]);
            }
        });
        Volatile.Write(ref stopping, true);
        foreach (Thread thread in traffic)
            thread.Join();

        Assert.Null(failure);
        Assert.Null(receiver.Failure);
        int before = receiver.All.Length;
        sender.Send([Batch.Datagram(new(Loopback4, (ushort)port.Port), -1), Batch.Datagram(new(Loopback6, (ushort)port.Port), -1)]);
        Wait.Until(() => receiver.All.Skip(before).Count(got => got.Number == -1) == 2, Receiver.Patience, "the last datagrams");

        static PacketBuffer[] To(int port) => [Batch.Datagram(new(Loopback4, (ushort)port)), Batch.Datagram(new(Loopback6, (ushort)port))];

        Thread Loop(Action action) => new(() =>
        {
            try
            {
                while (!Volatile.Read(ref stopping))
                    action();
            }
            catch (Exception e)
            {
                failure = e;
            }
        })
        {
            IsBackground = true,
        };
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void A_port_that_is_taken_leaves_the_old_one_open_and_is_named(string host)
    {
        using UdpPort port = Opened(), taken = Opened(), sender = Opened();
        using var receiver = new Receiver(port);
        int old = port.Port;

        var failure = Assert.Throws<LinuxException>(() => Open(port, (ushort)taken.Port));

        Assert.Equal(Errno.EADDRINUSE, failure.Errno);
        Assert.Contains($"UDP port {taken.Port}", failure.Message, StringComparison.Ordinal);
        Assert.Equal(old, port.Port);
        sender.Send([Batch.Datagram(new(IpAddress.Parse(host), (ushort)old), 4)]);
        Assert.Equal(4, Assert.Single(receiver.Take(1)).Number);
    }

    [Fact]
    public void A_port_that_is_taken_on_ipv6_alone_is_not_opened_on_ipv4()
    {
        using var socket = new System.Net.Sockets.Socket(
            System.Net.Sockets.AddressFamily.InterNetworkV6, System.Net.Sockets.SocketType.Dgram, System.Net.Sockets.ProtocolType.Udp);
        socket.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.IPv6Any, 0));
        ushort number = (ushort)((System.Net.IPEndPoint)socket.LocalEndPoint!).Port;
        using UdpPort port = new();

        var failure = Assert.Throws<LinuxException>(() => port.Open(number));

        Assert.Contains($"UDP port {number} on IPv6", failure.Message, StringComparison.Ordinal);
        Assert.False(port.HasIPv4 || port.HasIPv6);
        Assert.Equal(0, port.Port);
    }

    [Fact]
    public void Opening_the_port_that_is_open_keeps_what_is_queued()
    {
        using UdpPort sender = Opened(), port = Opened();
        sender.Send([Batch.Datagram(new(Loopback4, (ushort)port.Port), 5)]);

        Open(port, (ushort)port.Port);

        Assert.Equal(1, port.Receive(Batch.Of(1)));
    }

    [Fact]
    public void All_descriptors_are_closed_on_exec()
    {
        using UdpPort port = Opened();
        Open(port, 0);

        List<int> numbers =
        [
            .. Descriptors.Open(target => target.StartsWith("socket:", StringComparison.Ordinal)),
            .. Descriptors.Open(target => target.StartsWith("anon_inode:", StringComparison.Ordinal)),
        ];
        Assert.InRange(numbers.Count, 4, int.MaxValue);
        Assert.All(numbers, number => Assert.True(Descriptors.ClosesOnExec(number)));
    }

    private UdpPort Opened()
    {
        var port = new UdpPort();
        Open(port, 0);
        return port;
    }

    // A process that another test starts holds copies of all descriptors until it executes its program.
    private bool TryOpen(UdpPort port, ushort number)
    {
        try
        {
            Open(port, number);
            return true;
        }
        catch (LinuxException e) when (e.Errno == Errno.EADDRINUSE)
        {
            return false;
        }
    }

    private void Open(UdpPort port, ushort number) => _host.Namespace.Run(() => port.Open(number));
}
