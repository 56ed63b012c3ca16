using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Linux;

/// <summary>A port with several sockets, on loopback.</summary>
public class UdpPortSharingTests
{
    private const int Sockets = 4;

    public static TheoryData<string> Hosts => ["127.0.0.1", "::1"];

    [Theory]
    [MemberData(nameof(Hosts))]
    public void What_comes_from_one_endpoint_comes_to_one_socket_in_order(string host)
    {
        const int Sources = 32, Count = 50;
        using UdpPort port = Opened(Sockets);
        UdpPort[] sources = [.. Enumerable.Range(0, Sources).Select(_ => Opened(1))];
        Receiver[] receivers = [.. port.Sockets.Select(socket => new Receiver(socket))];
        var to = new Endpoint(IpAddress.Parse(host), (ushort)port.Port);

        for (int i = 0; i < Count; i++)
            foreach (UdpPort source in sources)
                Assert.Equal(1, source.Send([Batch.Datagram(to, i)]));
        Wait.Until(() => receivers.Sum(receiver => receiver.All.Length) == Sources * Count, Receiver.Patience, "all datagrams");

        foreach (UdpPort source in sources)
        {
            int[][] got = [.. receivers.Select(receiver => Numbers(receiver, source.Port)).Where(numbers => numbers.Length > 0)];
            Assert.Equal(Enumerable.Range(0, Count), Assert.Single(got));
        }
        // 32 sources miss one of four sockets once in 2,500 times; two are enough to show that they share.
        Assert.True(receivers.Count(receiver => receiver.All.Length > 0) > 1);
        Assert.Equal(default, port.Losses);
        Array.ForEach(receivers, receiver => receiver.Dispose());
        Array.ForEach(sources, source => source.Dispose());

        static int[] Numbers(Receiver receiver, int sourcePort) =>
            [.. receiver.All.Where(got => got.Source.Port == sourcePort).Select(got => got.Number)];
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void All_sockets_send_from_the_port(string host)
    {
        using UdpPort port = Opened(Sockets), other = Opened(1);
        using var receiver = new Receiver(other);

        foreach (IDatagramSocket socket in port.Sockets)
            Assert.Equal(1, socket.Send([Batch.Datagram(new(IpAddress.Parse(host), (ushort)other.Port))]));

        Assert.All(receiver.Take(Sockets), got => Assert.Equal(port.Port, got.Source.Port));
    }

    [Theory]
    [InlineData(1, Sockets)]
    [InlineData(Sockets, 1)]
    [InlineData(Sockets, Sockets)]
    public void A_port_that_is_taken_is_refused_however_many_sockets_there_are(int holders, int sockets)
    {
        using UdpPort holder = Opened(holders), port = new(sockets: sockets);

        var refusal = Assert.Throws<LinuxException>(() => port.Open((ushort)holder.Port));

        Assert.Equal(Errno.EADDRINUSE, refusal.Errno);
        Assert.Equal(0, port.Port);
    }

    [Fact]
    public void A_port_of_the_kernels_choice_is_nobody_elses()
    {
        UdpPort[] ports = [.. Enumerable.Range(0, 100).Select(_ => Opened(Sockets))];
        Assert.Equal(ports.Length, ports.Select(port => port.Port).Distinct().Count());
        Array.ForEach(ports, port => port.Dispose());
    }

    [Fact]
    public void All_sockets_move_to_another_port_and_leave_the_first_one_free()
    {
        using UdpPort port = Opened(Sockets), other = Opened(1);
        int first = port.Port;
        port.Open(0, mark: 0);
        Assert.NotEqual(first, port.Port);

        using var receiver = new Receiver(other);
        foreach (IDatagramSocket socket in port.Sockets)
            Assert.Equal(1, socket.Send([Batch.Datagram(new(IpAddress.Parse("127.0.0.1"), (ushort)other.Port))]));
        Assert.All(receiver.Take(Sockets), got => Assert.Equal(port.Port, got.Source.Port));
        using var next = new UdpPort();
        next.Open((ushort)first);
        Assert.Equal(first, next.Port);
    }

    private static UdpPort Opened(int sockets)
    {
        var port = new UdpPort(sockets: sockets);
        port.Open(0);
        return port;
    }
}
