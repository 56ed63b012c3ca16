using System.Text;
using Kedge.Linux;
using Kedge.Node.Connecting;
using Kedge.Node.Streams;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.Tests.ControlLink;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.Streams;

/// <summary>Nodes that reach each other by a controller, which runs in this process.</summary>
public sealed class StreamLinkTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Two_nodes_reach_each_other_until_one_is_removed()
    {
        await using RunningController controller = await RunningController.StartAsync();
        using Member a = await Member.JoinAsync(controller, "a"), b = await Member.JoinAsync(controller, "b");
        await a.ConnectAsync();
        await b.ConnectAsync();

        Assert.True(a.Link.TrySend(StreamAddress.IdOf(b.Key), [1, 2, 3]));
        (byte[] datagram, Endpoint source) = await b.ReceiveAsync();

        Assert.Equal([1, 2, 3], datagram);
        Assert.Equal(StreamAddress.Of(a.Key), source);
        // The API goes on beside it.
        Assert.Equal(2, (await controller.ListNodesAsync()).Count);
        Assert.Contains("kedge_streams 2", await controller.ReadMetricsAsync(), StringComparison.Ordinal);

        await controller.RemoveNodeAsync(a.Id);
        await WaitAsync(() => !a.Link.IsOpen);
        Assert.True(b.Link.IsOpen);
    }

    [Fact]
    public async Task A_controller_that_is_not_pinned_is_refused()
    {
        await using RunningController controller = await RunningController.StartAsync(), other = await RunningController.StartAsync();
        using Member a = await Member.JoinAsync(controller, "a");
        StreamAccess access = a.AccessTo(controller) with { Servers = a.AccessTo(other).Servers };

        IOException refusal = Assert.Throws<IOException>(() => StreamConnection.Open(new StreamTarget(access.Servers[0]), access, 0, TestContext.Current.CancellationToken));

        Assert.Contains("not the one that is pinned", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_that_the_controller_does_not_know_gets_no_stream()
    {
        await using RunningController controller = await RunningController.StartAsync(), other = await RunningController.StartAsync();
        using Member a = await Member.JoinAsync(controller, "a");
        StreamAccess access = a.AccessTo(other);

        IOException refusal = Assert.Throws<IOException>(() => StreamConnection.Open(new StreamTarget(access.Servers[0]), access, 0, TestContext.Current.CancellationToken));

        Assert.Contains("403", refusal.Message, StringComparison.Ordinal);
    }

    private static async Task WaitAsync(Func<bool> condition)
    {
        using var timeout = new CancellationTokenSource(Patience);
        while (!condition())
        {
            timeout.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    private sealed class Member : IDisposable
    {
        private readonly RunningController _controller;
        private readonly Machine _machine = new();
        private readonly string _folder = Directory.CreateTempSubdirectory("kedge-test-").FullName;
        private readonly List<Thread> _threads = [];
        private readonly TaskCompletionSource<(byte[], Endpoint)> _received = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _isStopping;

        private Member(RunningController controller) => _controller = controller;

        public StreamLink Link { get; } = new(NullLogger.Instance);

        public Guid Id { get; private set; }

        public PublicKey Key { get; private set; }

        public static async Task<Member> JoinAsync(RunningController controller, string name)
        {
            var member = new Member(controller) { };
            EnrolmentResult joined = await member._machine.JoinAsync(controller, name);
            member.Id = joined.NodeId;
            member.Key = PublicKey.Parse(member._machine.Request(name).WireGuardKey);
            string pem = Pem.Write(Pem.Certificate, [Convert.FromBase64String(joined.Certificate!)]);
            await File.WriteAllBytesAsync(Path.Combine(member._folder, NodeIdentity.CertificateFile), Encoding.ASCII.GetBytes(pem));
            await File.WriteAllBytesAsync(Path.Combine(member._folder, NodeIdentity.KeyFile), PrivateKeyPem.Write(member._machine.Identity));
            return member;
        }

        public StreamAccess AccessTo(RunningController controller) => new(
            [new EndpointName(controller.Address.Url.Host, "", (ushort)controller.Address.Url.Port)], [controller.Address.Pin], _folder);

        public async Task ConnectAsync()
        {
            Link.Use(AccessTo(_controller));
            Link.Want(true);
            Start(Link.Run);
            Start(Receive);
            await WaitAsync(() => Link.IsOpen);
        }

        public Task<(byte[] Datagram, Endpoint Source)> ReceiveAsync() => _received.Task.WaitAsync(Patience);

        public void Dispose()
        {
            _isStopping = true;
            Link.Stop();
            foreach (Thread thread in _threads)
                thread.Join();
            Link.Dispose();
            _machine.Dispose();
            Directory.Delete(_folder, recursive: true);
        }

        private void Receive()
        {
            PacketBuffer[] buffers = PacketBuffer.Allocate(1);
            while (!_isStopping)
            {
                if (Link.Receiver.Receive(buffers) == 0)
                    Link.Receiver.WaitReadable();
                else
                    _received.TrySetResult((buffers[0].Packet.ToArray(), buffers[0].Source));
            }
        }

        private void Start(Action body)
        {
            Thread thread = Kedge.Threading.DedicatedThread.Start("stream-test", body, exception => _received.TrySetException(exception));
            _threads.Add(thread);
        }
    }
}
