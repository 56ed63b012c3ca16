using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Node.Connecting;
using Kedge.Node.Streams;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.Tests.Certificates;
using Kedge.Threading;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.Streams;

/// <summary>Nodes that reach a relay by streams, without any controller.</summary>
public sealed class StreamServerTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly TestNetwork _network = new();
    private readonly List<Member> _members = [];
    private readonly ushort _port = FindFreePort();

    public void Dispose()
    {
        foreach (Member member in _members)
            member.Dispose();
        _network.Dispose();
    }

    [Fact]
    public void A_node_and_a_relay_send_each_other_datagrams()
    {
        Member relay = AddRelay(), a = Add("a");
        relay.Serve(_port, a);
        a.Connect(relay, _port);

        Assert.True(a.Link.TrySend(StreamAddress.IdOf(relay.Key), [1, 2, 3]));
        relay.AssertReceives([1, 2, 3], a);

        Assert.True(relay.Server.TrySend(StreamAddress.IdOf(a.Key), [4, 5, 6, 7, 8], size: 3, out int sent));
        Assert.Equal(2, sent);
        a.AssertReceives([4, 5, 6, 7, 8], relay);
        Assert.Equal((1, relay.Key), (relay.Server.Count, a.Link.Relay));
    }

    [Fact]
    public void Two_nodes_reach_each_other_by_their_streams_to_one_relay()
    {
        Member relay = AddRelay(), a = Add("a"), b = Add("b");
        relay.Serve(_port, a, b);
        a.Connect(relay, _port);
        b.Connect(relay, _port);

        Assert.True(a.Link.TrySend(StreamAddress.IdOf(b.Key), [1, 2, 3]));

        b.AssertReceives([1, 2, 3], a);
    }

    [Fact]
    public void A_node_that_is_no_peer_or_has_been_removed_has_no_stream()
    {
        Member relay = AddRelay(), a = Add("a"), stranger = Add("stranger");
        relay.Serve(_port, a);
        a.Connect(relay, _port);
        AssertRefused(stranger, relay);

        relay.Serve(_port);
        relay.Server.Remove(a.Key);

        a.Link.Receiver.WaitReadable(); // until it has ended
        Wait(() => relay.Server.Count == 0 && !a.Link.IsOpen);
        AssertRefused(a, relay);
    }

    [Fact]
    public void A_certificate_of_another_network_is_refused_by_either_end()
    {
        using var other = new TestNetwork();
        Member relay = AddRelay(), a = Add("a", network: other);
        relay.Serve(_port, a);

        AssertRefused(a, relay);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_server_that_is_not_the_relay_or_may_not_relay_is_refused(bool isOtherRelay)
    {
        Member expected = AddRelay(), server = isOtherRelay ? AddRelay() : Add("server"), a = Add("a");
        server.Serve(_port, a);

        AssertRefused(a, isOtherRelay ? expected : server);
    }

    [Fact]
    public void A_certificate_that_was_revoked_is_refused()
    {
        Member relay = AddRelay(), a = Add("a");
        relay.Serve(_port, a);
        relay.Trust(_network.Issuer.SignRevocationList(1, TestNetwork.Start, [new RevokedCertificate(a.Certificate.Serial, TestNetwork.Start)]));

        AssertRefused(a, relay);
    }

    [Fact]
    public void Connections_that_prove_nothing_are_few_and_do_not_last()
    {
        Member relay = AddRelay(), a = Add("a");
        relay.Serve(_port, a);
        a.Connect(relay, _port); // known from now on, with its source
        a.Disconnect();
        Wait(() => relay.Server.Count == 0);

        Socket[] silent = [.. Enumerable.Range(0, 100).Select(_ => Connect())];
        try
        {
            foreach (Socket socket in silent[..10])
                socket.Send([0x16, 0x03, 0x01, 0xFF, 0xFF]);
            Wait(() => silent.Count(IsClosed) >= 100 - 32);
            Wait(() => silent.All(IsClosed));
            a.Connect(relay, _port);
        }
        finally
        {
            foreach (Socket socket in silent)
                socket.Dispose();
        }
    }

    [Fact]
    public void What_is_no_request_for_a_stream_is_answered_so()
    {
        Assert.True(StreamHead.IsRequest(StreamHead.Request("relay:1")));
        Assert.True(StreamHead.IsAccepted(StreamHead.Accepted.Span));
        Assert.False(StreamHead.IsRequest("GET / HTTP/1.1\r\nHost: relay\r\n\r\n"u8));
        Assert.Equal(426, StreamHead.StatusOf(StreamHead.Refused.Span));
        Assert.Equal(0, StreamHead.StatusOf("SSH-2.0-x"u8));
    }

    [Fact]
    public void A_port_that_is_in_use_is_taken_when_it_is_free()
    {
        Member relay = AddRelay(), a = Add("a");
        var other = new TcpListener(IPAddress.IPv6Any, _port);
        other.Start();
        relay.Serve(_port, a);
        Assert.False(relay.Server.IsOpen);
        other.Stop();

        Wait(() =>
        {
            relay.Serve(_port, a);
            return relay.Server.IsOpen;
        });
        a.Connect(relay, _port);
    }

    private Member AddRelay() => Add("relay", NodeSubject.RelayTag);

    private Member Add(string name, string? tag = null, TestNetwork? network = null)
    {
        var member = new Member(network ?? _network, name, tag is null ? [] : [tag]);
        _members.Add(member);
        return member;
    }

    private void AssertRefused(Member node, Member relay) =>
        Assert.Throws<IOException>(() => StreamConnection.Open(
            Member.TargetOf(relay, _port), node.Access, 0, TestContext.Current.CancellationToken));

    private Socket Connect()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(IPAddress.Loopback, _port);
        return socket;
    }

    private static bool IsClosed(Socket socket)
    {
        try
        {
            return socket.Poll(0, SelectMode.SelectRead) && socket.Receive(new byte[64]) == 0;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    private static ushort FindFreePort()
    {
        var listener = new TcpListener(IPAddress.IPv6Any, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        return (ushort)port;
    }

    private static void Wait(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, Patience));

    private sealed class Member : IDisposable
    {
        private readonly TestNetwork _network;
        private readonly string _folder = Directory.CreateTempSubdirectory("kedge-test-").FullName;
        private readonly StreamPort _port;
        private readonly List<Thread> _threads = [];
        private HashSet<PublicKey> _peers = [];
        private volatile bool _isStopping;

        public Member(TestNetwork network, string name, string[] tags)
        {
            _network = network;
            using ECDsa key = TestNetwork.NewKey();
            Certificate = network.Certify(network.Subject() with { Name = name, IdentityKey = P256PublicKey.Of(key), Tags = tags });
            File.WriteAllText(Path.Combine(_folder, NodeIdentity.CertificateFile), Pem.Write(Pem.Certificate, [Certificate.Der]));
            File.WriteAllBytes(Path.Combine(_folder, NodeIdentity.KeyFile), PrivateKeyPem.Write(key));
            Trust();
            _port = new StreamPort(new NoUdp(), NullLogger.Instance) { IsPeer = key => _peers.Contains(key) };
            Link.Use(Access);
            Start(Link.Run);
        }

        public NodeCertificate Certificate { get; }

        public PublicKey Key => Certificate.WireGuardKey;

        public StreamLink Link => _port.Link;

        public StreamServer Server => _port.Server;

        public StreamAccess Access => new([], [], _folder);

        public void Trust(params RevocationList[] lists) => File.WriteAllText(
            Path.Combine(_folder, NodeIdentity.TrustFile),
            Pem.Write(Pem.Certificate, _network.Trust().KnownAuthorities.Select(authority => authority.Der))
                + Pem.Write(Pem.RevocationList, lists.Select(list => list.Der)));

        public static StreamTarget TargetOf(Member relay, ushort port) => new(new EndpointName("127.0.0.1", "", port), relay.Key);

        public void Serve(ushort port, params Member[] peers)
        {
            _peers = [.. peers.Select(peer => peer.Key)];
            Server.Use(new StreamService(port, _folder, PairRate: 0));
        }

        public void Connect(Member relay, ushort port)
        {
            Link.UseRelays([TargetOf(relay, port)]);
            Link.Want(true);
            Wait(() => Link.IsOpen);
        }

        public void Disconnect() => Link.Want(false);

        public void AssertReceives(byte[] run, Member from)
        {
            IDatagramSocket socket = Server.IsOpen ? Server.Receiver : Link.Receiver;
            PacketBuffer[] buffers = PacketBuffer.Allocate(1);
            while (socket.Receive(buffers) == 0)
                socket.WaitReadable();
            Assert.Equal(run, buffers[0].Packet.ToArray());
            Assert.Equal(StreamAddress.Of(from.Key), buffers[0].Source);
        }

        public void Dispose()
        {
            _isStopping = true;
            Link.Stop();
            Server.Stop();
            foreach (Thread thread in _threads)
                thread.Join();
            _port.Dispose();
            Directory.Delete(_folder, recursive: true);
        }

        private void Start(Action body) => _threads.Add(DedicatedThread.Start("stream-test", body, exception => Assert.True(_isStopping, exception?.ToString())));
    }

    private sealed class NoUdp : IDatagramPort
    {
        public int Port => 0;

        public IReadOnlyList<IDatagramSocket> Sockets => [];

        public void Open(ushort port, uint mark = 0)
        {
        }

        public void Probe(ushort port)
        {
        }

        public void Close()
        {
        }

        public void SetMark(uint mark)
        {
        }
    }
}
