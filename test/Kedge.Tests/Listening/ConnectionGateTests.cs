using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using Kedge.Control.Listening;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Kedge.Tests.ProxyProtocol;
using Kedge.Tests.Push;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.Listening;

public sealed class ConnectionGateTests : IDisposable
{
    // A record that may hold a ClientHello (RFC 8446, section 5.1): handshake, version 3.1, 6 bytes; client_hello, 2 bytes.
    private static readonly byte[] ClientHello = [22, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3];

    private readonly ManualClock _clock = new();
    private readonly ConnectionGate _gate;

    public ConnectionGateTests()
    {
        IpPrefix[] proxies = [IpPrefix.Parse("10.0.0.0/24"), IpPrefix.Parse("2001:db8::/64")];
        _gate = new ConnectionGate(new ProxyReader(proxies, _clock, NullLogger.Instance), new KnownSources(), _clock);
    }

    public void Dispose() => _gate.Dispose();

    [Fact]
    public async Task A_connection_takes_a_turn_only_when_its_ClientHello_is_there()
    {
        var client = new Client(_gate, "192.0.2.1");
        foreach (byte one in ClientHello)
        {
            Assert.Equal(0, _gate.Entered);
            Assert.False(client.Passing.IsCompleted);
            await client.SendAsync([one]);
        }
        Assert.Equal(ClientHello, await client.Passed.WaitAsync(TestContext.Current.CancellationToken));
        Assert.Equal(1, _gate.Entered);
    }

    [Fact]
    public async Task Thousands_of_connections_that_come_and_go_leave_all_turns_to_others()
    {
        for (int i = 0; i < 5000; i++)
        {
            var bare = new Client(_gate, "192.0.2.1");
            await bare.CloseAsync();
            await bare.Passing;
        }
        Assert.Equal((0, 0, 0), (_gate.Entered, _gate.SentAway, _gate.Anonymous));
        var client = new Client(_gate, "192.0.2.2");
        await client.SendAsync(ClientHello);
        await client.Passed.WaitAsync(TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n\r\n")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n")]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")]
    [InlineData("\u0015\u0003\u0001\0\u0002\u0001\0")]
    public async Task What_is_not_a_ClientHello_ends_the_connection_and_takes_no_turn(string text)
    {
        var client = new Client(_gate, "192.0.2.1");
        await client.SendAsync([.. text.Select(one => (byte)one)]);
        await client.Passing.WaitAsync(TestContext.Current.CancellationToken);
        Assert.True(client.IsAborted);
        Assert.Equal(0, _gate.Entered);
    }

    [Theory]
    [InlineData("10.0.0.7")]
    [InlineData("::ffff:10.0.0.7")]
    [InlineData("2001:db8::7")]
    public async Task Behind_a_proxy_the_source_is_what_its_header_says(string proxy)
    {
        var client = new Client(_gate, proxy);
        await client.SendAsync([.. ProxyHeaders.TcpOverIPv4]);
        await client.SendAsync(ClientHello);
        Assert.Equal(ClientHello, await client.Passed.WaitAsync(TestContext.Current.CancellationToken));
        Assert.Equal(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 56324), client.RemoteEndPoint);
    }

    [Fact]
    public async Task A_connection_of_the_proxy_itself_keeps_its_source()
    {
        var client = new Client(_gate, "10.0.0.7");
        await client.SendAsync([.. ProxyHeaders.Local, .. ClientHello]);
        Assert.Equal(ClientHello, await client.Passed.WaitAsync(TestContext.Current.CancellationToken));
        Assert.Equal(IPAddress.Parse("10.0.0.7"), client.RemoteEndPoint.Address);
    }

    [Fact]
    public async Task A_header_from_elsewhere_than_a_proxy_is_refused()
    {
        var client = new Client(_gate, "10.0.1.7");
        await client.SendAsync([.. ProxyHeaders.TcpOverIPv4, .. ClientHello]);
        await client.Passing.WaitAsync(TestContext.Current.CancellationToken);
        Assert.True(client.IsAborted);
    }

    [Fact]
    public async Task A_proxy_that_sends_no_header_is_refused()
    {
        var client = new Client(_gate, "10.0.0.7");
        await client.SendAsync(ClientHello);
        await client.Passing.WaitAsync(TestContext.Current.CancellationToken);
        Assert.True(client.IsAborted);
        Assert.Equal(0, _gate.Entered);
    }

    [Fact]
    public async Task One_address_floods_through_a_proxy_and_another_through_the_same_gets_in()
    {
        List<Client> flood = [];
        for (int i = 0; i < 300; i++)
        {
            var one = new Client(_gate, "10.0.0.7");
            await one.SendAsync([.. ProxyHeaders.TcpOverIPv4, .. ClientHello]);
            flood.Add(one);
        }
        Assert.True(_gate.SentAway > 0);
        var client = new Client(_gate, "10.0.0.7");
        await client.SendAsync([.. ProxyHeaders.TcpOverIPv6, .. ClientHello]);
        while (!client.Passed.IsCompleted)
        {
            _clock.Advance(TimeSpan.FromMilliseconds(20));
            await Task.Yield();
        }
        Assert.False(client.IsAborted);
    }

    /// <summary>A connection's other end.</summary>
    private sealed class Client
    {
        private readonly DuplexPipe _transport;
        private readonly Pipe _input = new(new PipeOptions(readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, useSynchronizationContext: false));
        private readonly TaskCompletionSource<byte[]> _passed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Func<EndPoint?> _remote;
        private bool _isAborted;

        public Client(ConnectionGate gate, string address)
        {
            _transport = new DuplexPipe(_input.Reader, new Pipe().Writer);
            var connection = new Connection(() => _isAborted = true) { Transport = _transport, RemoteEndPoint = new IPEndPoint(IPAddress.Parse(address), 1) };
            _remote = () => connection.RemoteEndPoint;
            Passing = gate.PassAsync(connection, async passed =>
            {
                ReadResult read = await passed.Transport.Input.ReadAsync();
                _passed.TrySetResult(read.Buffer.ToArray());
            });
        }

        /// <summary>Ends when the gate is done with the connection.</summary>
        public Task Passing { get; }

        /// <summary>What the handshake gets to read; never, if there is none.</summary>
        public Task<byte[]> Passed => _passed.Task;

        public bool IsAborted => _isAborted;

        public IPEndPoint RemoteEndPoint => (IPEndPoint)_remote()!;

        public async Task SendAsync(byte[] bytes) => await _input.Writer.WriteAsync(bytes);

        public async Task CloseAsync() => await _input.Writer.CompleteAsync();

        private sealed record DuplexPipe(PipeReader Input, PipeWriter Output) : IDuplexPipe;

        private sealed class Connection(Action abort) : DefaultConnectionContext
        {
            public override void Abort(ConnectionAbortedException abortReason) => abort();
        }
    }
}
