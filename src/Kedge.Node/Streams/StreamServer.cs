using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Kedge.Linux;
using Kedge.Node.Connecting;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;
using Kedge.Protocol.Strangers;
using Kedge.Relaying;
using Kedge.Threading;
using Microsoft.Extensions.Logging;
using PublicKey = Kedge.Protocol.WireGuard.PublicKey;

namespace Kedge.Node.Streams;

/// <summary>What a relay serves streams with.</summary>
/// <param name="Port">The TCP port: that of its UDP.</param>
/// <param name="Identity">The folder with its certificate, its identity key, and whom it trusts.</param>
/// <param name="PairRate">Bytes a second that one node may send another; 0 for no limit.</param>
public sealed record StreamService(ushort Port, string Identity, long PairRate);

/// <summary>
/// The streams of nodes to this one, a relay, while their UDP is blocked: TLS 1.3 with the certificates of both. Only nodes of the zone that are
/// peers of the device get one. The device is a member of the hub as they are, so that what it passes on between two of its peers goes to a stream
/// as to any endpoint. Any thread; whoever made it disposes it.
/// </summary>
/// <param name="isPeer">Whether a key is that of a peer of the device; any thread.</param>
/// <param name="log">Receives what is served, and why not.</param>
public sealed class StreamServer(Func<PublicKey, bool> isPeer, ILogger log) : IDisposable
{
    private const int MostStreams = 256;
    private const int MostStrangers = 32; // connections that have not proven anything yet
    private static readonly TimeSpan OpeningTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(10);
    private static readonly StrangerLimits Handshakes = new(PerSecond: 2, Burst: 20) { TogetherPerSecond = 50, TogetherBurst = 100 };

    private readonly Lock _changing = new();
    private readonly StrangerBudget _handshakes = new(Handshakes);
    private readonly StreamReceiver _receiver = new();
    private volatile Serving? _serving;
    private StreamService? _service;
    private Instant _retryAt;
    private int _strangers;

    /// <summary>Raised when <see cref="IsOpen"/> has changed; handlers return at once.</summary>
    public event Action? Changed;

    /// <summary>Whether nodes can connect.</summary>
    public bool IsOpen => _serving is not null;

    /// <summary>When <see cref="Use"/> is to be called again, because the port could not be had.</summary>
    public Instant RetryAt => _service is not null && !IsOpen ? _retryAt : Instant.Never;

    /// <summary>How many nodes are connected.</summary>
    public int Count => _serving is { } serving ? serving.Hub.Count - 1 : 0;

    /// <summary>What nodes send this one. Its thread is the one that receives.</summary>
    public IDatagramSocket Receiver => _receiver;

    /// <summary>Serves so from now on, or not at all. What cannot be is tried again when this is called later.</summary>
    public void Use(StreamService? service)
    {
        lock (_changing)
        {
            Instant now = BootClock.Now;
            if (service == _service && (service is null || IsOpen || now < _retryAt))
                return;
            if (service != _service)
                _retryAt = default;
            _service = service;
            Close();
            if (service is not null)
                Open(service, now);
        }
        Changed?.Invoke();
    }

    /// <summary>Has a run of datagrams sent to a node, by a copy.</summary>
    /// <param name="peer">What the node is called in frames.</param>
    /// <param name="run">The datagrams, all but the last one of the same size.</param>
    /// <param name="size">That size; 0 for a single one.</param>
    /// <param name="sent">How many are sent; others are dropped, because too much waits.</param>
    /// <returns>False if the node has no stream to this one.</returns>
    public bool TrySend(ulong peer, ReadOnlySpan<byte> run, int size, out int sent)
    {
        sent = 0;
        if (_serving is not { } serving || serving.Hub.Find(serving.Own.Zone, peer) is not { } stream)
            return false;
        lock (serving.Own)
        {
            for (int step = size == 0 ? run.Length : size; !run.IsEmpty; run = run[Math.Min(step, run.Length)..])
                if (serving.Hub.Forward(serving.Own, peer, run[..Math.Min(step, run.Length)]) is not null)
                    sent++;
        }
        stream.Flush();
        return true;
    }

    /// <summary>Ends the stream of a node that is no peer any more.</summary>
    public void Remove(PublicKey peer)
    {
        if (_serving is { } serving && serving.Hub.Find(serving.Own.Zone, StreamAddress.IdOf(peer)) is { } stream && stream.Key == peer)
            serving.Hub.Close(stream);
    }

    /// <summary>Serves nobody any more, and ends what the receiving thread waits for.</summary>
    public void Stop()
    {
        Use(null);
        _receiver.Wake();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_changing)
            Close();
        _receiver.Dispose();
    }

    private void Open(StreamService service, Instant now)
    {
        try
        {
            NodeCertificate own = new NodeVerifier(service.Identity).Own;
            var listener = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
            try
            {
                listener.Bind(new IPEndPoint(IPAddress.IPv6Any, service.Port));
                listener.Listen();
            }
            catch
            {
                listener.Dispose();
                throw;
            }
            var hub = new StreamHub(() => BootClock.Now, service.PairRate);
            NodeStream stream = hub.Open(own.ZoneId, Guid.Empty, own.WireGuardKey)!; // the first one
            var serving = new Serving(listener, hub, stream);
            _receiver.Use(new HubSource(stream));
            _serving = serving;
            _ = BackgroundLoop.RunAsync(
                ending => AcceptAsync(serving, service, ending), e => Log.StreamsNotServed(log, service.Port, e.Message), TimeProvider.System,
                serving.Ending.Token);
            Log.StreamsServed(log, service.Port);
        }
        catch (Exception e) when (e is SocketException or UserError)
        {
            if (_retryAt == default)
                Log.StreamsNotServed(log, service.Port, e.Message);
            _retryAt = now + RetryInterval;
        }
    }

    private void Close()
    {
        if (_serving is not { } serving)
            return;
        _serving = null;
        _receiver.Use(null);
        serving.Dispose();
    }

    private async Task AcceptAsync(Serving serving, StreamService service, CancellationToken ending)
    {
        Socket socket = await serving.Listener.AcceptAsync(ending);
        IpAddress source = IpAddress.FromBytes(((IPEndPoint)socket.RemoteEndPoint!).Address.GetAddressBytes()).Unmapped();
        if (Volatile.Read(ref _strangers) >= MostStrangers || serving.Hub.Count > MostStreams || !_handshakes.TrySpend(BootClock.Now, source))
        {
            socket.Dispose();
            return;
        }
        Interlocked.Increment(ref _strangers);
        _ = ServeAsync(socket, source, serving, service, ending);
    }

    // Ends by itself, and with the service; whatever somebody else's connection does is no fault.
    private async Task ServeAsync(Socket socket, IpAddress source, Serving serving, StreamService service, CancellationToken ending)
    {
        bool isStranger = true;
        NodeStream? stream = null;
        try
        {
            socket.NoDelay = true;
            await using var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
            using (var opening = CancellationTokenSource.CreateLinkedTokenSource(ending))
            {
                opening.CancelAfter(OpeningTime);
                NodeCertificate node = await AuthenticateAsync(tls, service.Identity, opening.Token);
                (byte[] head, byte[] rest) = await StreamHead.ReadAsync(tls, opening.Token);
                if (!StreamHead.IsRequest(head) || rest.Length > 0)
                {
                    await tls.WriteAsync(StreamHead.Refused, opening.Token);
                    return;
                }
                stream = serving.Hub.Open(serving.Own.Zone, Guid.Empty, node.WireGuardKey);
                if (stream is null)
                    return;
                await tls.WriteAsync(StreamHead.Accepted, opening.Token);
            }
            _handshakes.Known.Add(BootClock.Now, source);
            Interlocked.Decrement(ref _strangers);
            isStranger = false;
            if (isPeer(stream.Key)) // it may have been removed meanwhile
                await new HubConnection(serving.Hub, stream, tls, TimeProvider.System).RunAsync(ending);
        }
        catch (Exception e) when (e is IOException or AuthenticationException or OperationCanceledException or SocketException or UserError)
        {
            // There is nobody to tell.
        }
        finally
        {
            if (stream is not null)
                serving.Hub.Close(stream);
            if (isStranger)
                Interlocked.Decrement(ref _strangers);
            socket.Dispose();
        }
    }

    private async Task<NodeCertificate> AuthenticateAsync(SslStream tls, string identity, CancellationToken ending)
    {
        using X509Certificate2 certificate = NodeIdentity.Read(identity);
        NodeCertificate? node = null;
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true),
            ClientCertificateRequired = true,
            EnabledSslProtocols = SslProtocols.Tls13,
            ApplicationProtocols = [SslApplicationProtocol.Http11],
            AllowTlsResume = false, // every connection proves anew who is at both ends
            CertificateChainPolicy = PlatformTrust.None(),
            RemoteCertificateValidationCallback = new NodeVerifier(identity).Accept(shown =>
            {
                node = shown;
                return isPeer(shown.WireGuardKey);
            }),
        };
        await tls.AuthenticateAsServerAsync(options, ending);
        return node ?? throw new AuthenticationException();
    }

    /// <summary>What is there while streams are served.</summary>
    private sealed class Serving(Socket listener, StreamHub hub, NodeStream own) : IDisposable
    {
        public Socket Listener => listener;

        public StreamHub Hub => hub;

        public NodeStream Own => own;

        public CancellationTokenSource Ending { get; } = new();

        public void Dispose()
        {
            hub.End();
            Ending.Cancel();
            listener.Dispose();
        }
    }
}
