using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Kedge.Linux;
using Kedge.Node.Connecting;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Node.Streams;

/// <summary>
/// One connection to a controller that has become a stream of frames. One thread reads, one writes, any may break it; the one that writes
/// disposes it.
/// </summary>
internal sealed class StreamConnection : IDisposable
{
    private const int LongestHead = 8 << 10;
    private static readonly TimeSpan OpenTimeout = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(15);

    private readonly SslStream _tls;
    private readonly Socket? _socket;
    private byte[] _early = []; // frames that came with the answer

    private StreamConnection(SslStream tls, Socket? socket) => (_tls, _socket) = (tls, socket);

    /// <summary>Whether it is of no more use.</summary>
    public bool IsBroken { get; private set => Volatile.Write(ref field, value); }

    /// <summary>Opens one. Blocks for as long as that takes.</summary>
    /// <param name="server">Where the controller is.</param>
    /// <param name="access">By what it is known, and by what it knows this node.</param>
    /// <param name="mark">The firewall mark of what is sent; 0 for none.</param>
    /// <param name="ending">Ends it.</param>
    /// <exception cref="IOException">It is not to be had, as a sentence without a full stop says.</exception>
    /// <exception cref="OperationCanceledException">It was ended, or took too long.</exception>
    public static StreamConnection Open(EndpointName server, StreamAccess access, uint mark, CancellationToken ending)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ending);
        timeout.CancelAfter(OpenTimeout);
        try
        {
            return OpenAsync(server, access, mark, timeout.Token).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is AuthenticationException or SocketException or ConnectException or UserError)
        {
            throw new IOException(e.Message, e);
        }
    }

    /// <summary>Reads what has come, and waits for it where nothing has.</summary>
    /// <returns>How many bytes; 0 if it is broken.</returns>
    public int Read(Span<byte> bytes)
    {
        if (_early.Length > 0)
        {
            int early = Math.Min(_early.Length, bytes.Length);
            _early.AsSpan(0, early).CopyTo(bytes);
            _early = _early[early..];
            return early;
        }
        try
        {
            return _tls.Read(bytes);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            return 0;
        }
    }

    /// <summary>Writes.</summary>
    /// <returns>False if it is broken.</returns>
    public bool TryWrite(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _tls.Write(bytes);
            return true;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>Ends what the other threads do with it.</summary>
    public void Break()
    {
        IsBroken = true;
        try
        {
            _socket?.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It has ended already.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Break();
        _tls.Dispose();
    }

    private static async Task<StreamConnection> OpenAsync(EndpointName server, StreamAccess access, uint mark, CancellationToken ending)
    {
        using X509Certificate2 certificate = NodeIdentity.Read(access.Identity);
        Stream connection = await HostConnector.ConnectAsync(
            server.Scope.Length == 0 ? server.Host : $"{server.Host}%{server.Scope}", server.Port, socket => Prepare(socket, mark), ending);
        var tls = new SslStream(connection);
        try
        {
            SslClientAuthenticationOptions options = new PinnedServer(access.Pins, TimeProvider.System).CreateTlsOptions();
            options.TargetHost = server.Host;
            options.EnabledSslProtocols = SslProtocols.Tls13;
            options.ApplicationProtocols = [SslApplicationProtocol.Http11];
            options.AllowTlsResume = false; // every connection proves anew who is at both ends
            options.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true);
            await tls.AuthenticateAsClientAsync(options, ending);
            string request = $"GET {StreamUpgrade.Path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: {StreamUpgrade.Protocol}\r\n\r\n";
            await tls.WriteAsync(Encoding.ASCII.GetBytes(request), ending);
            return new StreamConnection(tls, (connection as NetworkStream)?.Socket) { _early = await ReadHeadAsync(tls, ending) };
        }
        catch
        {
            await tls.DisposeAsync();
            throw;
        }
    }

    /// <summary>Reads the answer, which must be the one that is hoped for.</summary>
    /// <returns>What came behind it.</returns>
    private static async Task<byte[]> ReadHeadAsync(SslStream tls, CancellationToken ending)
    {
        byte[] head = new byte[LongestHead];
        for (int length = 0; length < head.Length;)
        {
            int count = await tls.ReadAsync(head.AsMemory(length), ending);
            if (count == 0)
                throw new IOException("the controller ended the connection without an answer");
            length += count;
            int end = head.AsSpan(0, length).IndexOf("\r\n\r\n"u8);
            if (end < 0)
                continue;
            return head.AsSpan().StartsWith("HTTP/1.1 101 "u8) ? head[(end + 4)..length] : throw new IOException(string.Create(
                CultureInfo.InvariantCulture, $"the controller offers no stream: its answer is {StatusOf(head)}"));
        }
        throw new IOException("the controller's answer is too long");
    }

    private static int StatusOf(ReadOnlySpan<byte> head) =>
        int.TryParse(head.Slice("HTTP/1.1 ".Length, 3), NumberStyles.None, CultureInfo.InvariantCulture, out int status) ? status : 0;

    private static void Prepare(Socket socket, uint mark)
    {
        socket.SendTimeout = (int)SendTimeout.TotalMilliseconds;
        socket.ReceiveTimeout = (int)StreamFrame.LongestSilence.TotalMilliseconds;
        if (mark != 0)
            SocketMark.TrySet(socket, mark);
    }
}
