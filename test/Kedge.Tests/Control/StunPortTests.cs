using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Kedge.Control;
using Kedge.Protocol.Strangers;
using Kedge.Protocol.Stun;
using Kedge.Tests.Push;
using Kedge.Tests.Threading;
using Kedge.Threading;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.Control;

public class StunPortTests
{
    private static readonly IPAddress First = IPAddress.Parse("127.0.0.1"), Second = IPAddress.Parse("127.0.0.2");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_answer_comes_from_the_address_that_was_asked_and_tells_where_the_request_came_from()
    {
        int port = FreePort();
        await using var stun = new StunPort([First, Second], port, 0, new KnownSources(), TimeProvider.System, NullLogger.Instance);
        stun.Open();
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        client.Bind(new IPEndPoint(First, 0));
        foreach (IPAddress server in new[] { Second, First })
        {
            (IPEndPoint from, byte[] answer) = await AskAsync(client, new IPEndPoint(server, port));

            Assert.Equal(new IPEndPoint(server, port), from);
            // RFC 8489: a success response, and in it XOR-MAPPED-ADDRESS (sections 5 and 14.2).
            Assert.Equal(0x0101, BinaryPrimitives.ReadUInt16BigEndian(answer));
            Assert.Equal(0x0020, BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(20)));
            Assert.Equal(((IPEndPoint)client.LocalEndPoint!).Port, BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(26)) ^ 0x2112);
            Assert.Equal(0x7F000001u, BinaryPrimitives.ReadUInt32BigEndian(answer.AsSpan(28)) ^ 0x2112A442);
        }
    }

    [Fact]
    public async Task What_is_no_request_is_not_answered_and_does_no_harm()
    {
        int port = FreePort();
        await using var stun = new StunPort([First], port, 0, new KnownSources(), TimeProvider.System, NullLogger.Instance);
        stun.Open();
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        client.Bind(new IPEndPoint(First, 0));
        foreach (byte[] junk in new[] { [], new byte[20], new byte[1400], new byte[3000] })
            client.SendTo(junk, new IPEndPoint(First, port));

        (_, byte[] answer) = await AskAsync(client, new IPEndPoint(First, port));
        Assert.Equal(0x0101, BinaryPrimitives.ReadUInt16BigEndian(answer));
    }

    [Fact]
    public async Task An_address_that_is_taken_leaves_the_others_open()
    {
        int port = FreePort();
        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        other.Bind(new IPEndPoint(First, port));
        await using var stun = new StunPort([First, Second], port, 0, new KnownSources(), TimeProvider.System, NullLogger.Instance);
        stun.Open();
        Assert.True(stun.IsOpen);

        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        client.Bind(new IPEndPoint(First, 0));
        (IPEndPoint from, _) = await AskAsync(client, new IPEndPoint(Second, port));
        Assert.Equal(Second, from.Address);
    }

    [Theory]
    [InlineData(StunChange.Port, false)]
    [InlineData(StunChange.Address, true)]
    [InlineData(StunChange.Address | StunChange.Port, true)]
    public async Task An_answer_comes_from_another_port_and_another_given_address_where_asked_to(StunChange change, bool toOther)
    {
        int port = FreePort(), otherPort = FreePort();
        await using var stun = new StunPort([First, Second], port, otherPort, new KnownSources(), TimeProvider.System, NullLogger.Instance);
        stun.Open();
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        client.Bind(new IPEndPoint(First, 0));
        (IPEndPoint from, byte[] answer) = await AskAsync(client, new IPEndPoint(First, port), [0, 3, 0, 4, 0, 0, 0, (byte)change]);

        Assert.Equal(new IPEndPoint(toOther ? Second : First, change.HasFlag(StunChange.Port) ? otherPort : port), from);
        Assert.Equal(0x0101, BinaryPrimitives.ReadUInt16BigEndian(answer));
    }

    [Fact]
    public async Task Without_its_other_port_it_answers_and_refuses_changes()
    {
        int port = FreePort(), otherPort = FreePort();
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        taken.Bind(new IPEndPoint(First, otherPort));
        var log = new RecordingLog();
        await using var stun = new StunPort([First], port, otherPort, new KnownSources(), TimeProvider.System, log);
        stun.Open();
        await log.WaitForAsync("as the other port");
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        client.Bind(new IPEndPoint(First, 0));
        (_, byte[] answer) = await AskAsync(client, new IPEndPoint(First, port));
        Assert.Equal(0x0101, BinaryPrimitives.ReadUInt16BigEndian(answer));
        (_, answer) = await AskAsync(client, new IPEndPoint(First, port), [0, 3, 0, 4, 0, 0, 0, 2]);
        Assert.Equal(0x0111, BinaryPrimitives.ReadUInt16BigEndian(answer));
    }

    [Fact]
    public async Task A_defect_in_one_answer_does_not_end_the_next()
    {
        int port = FreePort();
        var manual = new ManualClock();
        var clock = new FaultyClock(manual);
        var log = new RecordingLog();
        await using var stun = new StunPort([First], port, 0, new KnownSources(), clock, log);
        stun.Open();
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        client.Bind(new IPEndPoint(First, 0));

        clock.Fail(1);
        client.SendTo(new byte[20], new IPEndPoint(First, port));
        await log.WaitForAsync("STUN failed");
        Task<(IPEndPoint, byte[] Answer)> asking = AskAsync(client, new IPEndPoint(First, port));
        while (!asking.IsCompleted)
        {
            Cancellation.ThrowIfCancellationRequested();
            manual.Advance(BackgroundLoop.Pause);
            await Task.Yield();
        }
        Assert.Equal(0x0101, BinaryPrimitives.ReadUInt16BigEndian((await asking).Answer));
    }

    private static async Task<(IPEndPoint From, byte[] Answer)> AskAsync(Socket client, IPEndPoint server, params byte[] attributes)
    {
        byte last = server.Address.GetAddressBytes()[3];
        byte[] request =
            [0, 1, 0, (byte)attributes.Length, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, last, .. attributes];
        byte[] answer = new byte[100];
        Task<SocketReceiveFromResult> receiving = client.ReceiveFromAsync(answer, new IPEndPoint(IPAddress.Any, 0), Cancellation).AsTask();
        client.SendTo(request, server);
        SocketReceiveFromResult received = await receiving.WaitAsync(TimeSpan.FromSeconds(20), Cancellation);
        Assert.Equal(request.AsSpan(8, 12), answer.AsSpan(8, 12));
        return ((IPEndPoint)received.RemoteEndPoint, answer[..received.ReceivedBytes]);
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Any, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
