using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Kedge.Demo;
using Kedge.Linux.Quic;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Warp;
using Kedge.Threading;

namespace Kedge.SystemTests.Warp;

/// <summary>An end that speaks as socket-warp's programs do: nothing but the 1,024-byte header on each stream, and its own ALPN.</summary>
public sealed class LegacyTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly WarpLab _lab = new();

    public void Dispose() => _lab.Dispose();

    [Fact]
    public async Task A_connector_of_socket_warp_gets_its_header_and_the_callers_bytes()
    {
        WarpFiles files = _lab.Authority.Connector("old1");
        using var credentials = new QuicCredentials(File.ReadAllBytes(files.Certificate), File.ReadAllBytes(files.Key));
        using var loop = new EventLoop();
        var peer = new LegacyPeer();
        var endpoint = new QuicEndpoint(loop, Endpoint.Parse("127.0.0.1:0"), new QuicSettings { Protocols = [WarpProtocol.Legacy] }, peer);
        endpoint.Connect(new Endpoint(IpAddress.Parse("127.0.0.1"), (ushort)_lab.QuicPort), credentials, "localhost");
        Task running = DedicatedThread.RunAsync("old connector", loop.Run);
        _lab.Listener.WaitForLine("Connector old1 is there", Limit);

        using Socket caller = await WarpLab.CallAsync(_lab.Open("old1", 4711));
        await caller.SendAllAsync("question"u8.ToArray());
        caller.Shutdown(SocketShutdown.Send);
        byte[] answer = await caller.ReceiveAllAsync(100).Within();
        loop.Stop();
        await running.Within();

        Assert.Equal("an answer", Encoding.ASCII.GetString(answer));
        Assert.Equal(1024 + "question".Length, peer.Received.Length);
        Assert.Matches(@"^\d+\|127\.0\.0\.1:4711\0+question$", Encoding.ASCII.GetString(peer.Received));
    }

    [Fact]
    public async Task A_listener_of_socket_warp_reaches_targets_by_settings_json()
    {
        using var credentials = new QuicCredentials(File.ReadAllBytes(_lab.ListenerFiles.Certificate), File.ReadAllBytes(_lab.ListenerFiles.Key));
        using var loop = new EventLoop();
        string target = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{_lab.ServeEcho()}");
        byte[] header = new byte[1024];
        Encoding.ASCII.GetBytes($"140023-0|{target}", header);
        var peer = new LegacyPeer { Says = [.. header, .. "to be echoed"u8] };
        var endpoint = new QuicEndpoint(loop, Endpoint.Parse("127.0.0.1:0"), new QuicSettings { Protocols = [WarpProtocol.Legacy], MostPeerStreams = 0 }, peer)
        {
            ServerCredentials = credentials,
        };
        Task running = DedicatedThread.RunAsync("old listener", loop.Run);
        WarpFiles files = _lab.Authority.Connector("new1");
        string settings = Path.Combine(_lab.Folder, "settings.json");
        await File.WriteAllTextAsync(
            settings,
            $$"""
            {
              "client_cert_path": "{{files.Certificate}}", "client_key_path": "{{files.Key}}", "ca_cert_path": "{{files.Authority}}",
              "server_name": "localhost", "service_port": {{endpoint.Local.Port}}
            }
            """,
            TestContext.Current.CancellationToken);

        RunningProcess connector = _lab.Own(RunningProcess.Start(
            new Command(Repository.Program, "warp", "connect", "--settings", settings, "--server", endpoint.Local.ToString(), "--server-name", "localhost")));
        connector.WaitForLine("everything that this machine reaches, as in socket-warp", Limit);
        connector.WaitForLine("by hq-29", Limit);
        await peer.Ended.Within();
        loop.Stop();
        await running.Within();

        Assert.Equal("to be echoed", Encoding.ASCII.GetString(peer.Received));
    }

    /// <summary>Believes anybody. As a listener it opens a stream and says something; as a connector it answers.</summary>
    private sealed class LegacyPeer : IQuicEvents
    {
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private bool _hasAnswered;

        public byte[]? Says { get; init; }

        public byte[] Received { get; private set; } = [];

        public Task Ended => _ended.Task;

        public bool Verify(QuicConnection connection, IReadOnlyList<byte[]> certificates) => true;

        public void OnConnected(QuicConnection connection)
        {
            if (Says is null)
                return;
            QuicStream stream = connection.OpenStream()!;
            stream.Write(Says);
            stream.Finish();
        }

        public void OnStream(QuicStream stream)
        {
        }

        public void OnReceived(QuicStream stream)
        {
            Received = [.. Received, .. stream.Received];
            stream.Consume(stream.Received.Length);
            if (!stream.HasPeerEnded)
                return;
            _ended.TrySetResult();
            if (Says is not null || _hasAnswered)
                return;
            _hasAnswered = true;
            stream.Write("an answer"u8);
            stream.Finish();
        }

        public void OnStreamEnded(QuicStream stream)
        {
        }

        public void OnStreamsAllowed(QuicConnection connection)
        {
        }

        public void OnClosed(QuicConnection connection, QuicEnd end)
        {
        }
    }
}
