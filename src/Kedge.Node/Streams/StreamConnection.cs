using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Kedge.Linux;
using Kedge.Node.Connecting;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Node.Streams;

/// <summary>
/// One connection to a controller or a relay that has become a stream of frames. One thread reads, one writes, any may break it; the one that
/// writes disposes it.
/// </summary>
internal sealed class StreamConnection : IFrameSource, IDisposable
{
    private static readonly TimeSpan OpenTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(15);

    private readonly SslStream _tls;
    private readonly Socket? _socket;
    private byte[] _early = []; // frames that came with the answer

    private StreamConnection(StreamTarget target, SslStream tls, Socket? socket) => (Target, _tls, _socket) = (target, tls, socket);

    /// <summary>Whom it is to.</summary>
    public StreamTarget Target { get; }

    /// <inheritdoc/>
    public bool IsBroken { get; private set => Volatile.Write(ref field, value); }

    /// <summary>Opens one. Blocks for as long as that takes.</summary>
    /// <param name="target">Whom to.</param>
    /// <param name="access">By what controllers are known, and by what this node is.</param>
    /// <param name="mark">The firewall mark of what is sent; 0 for none.</param>
    /// <param name="ending">Ends it.</param>
    /// <exception cref="IOException">It is not to be had, as a sentence without a full stop says.</exception>
    /// <exception cref="OperationCanceledException">It was ended, or took too long.</exception>
    public static StreamConnection Open(StreamTarget target, StreamAccess access, uint mark, CancellationToken ending)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ending);
        timeout.CancelAfter(OpenTimeout);
        try
        {
            return OpenAsync(target, access, mark, timeout.Token).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is AuthenticationException or SocketException or ConnectException or UserError)
        {
            throw new IOException(e.Message, e);
        }
    }

    /// <inheritdoc/>
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

    /// <inheritdoc/>
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

    private static async Task<StreamConnection> OpenAsync(StreamTarget target, StreamAccess access, uint mark, CancellationToken ending)
    {
        using X509Certificate2 certificate = NodeIdentity.Read(access.Identity);
        EndpointName server = target.Server;
        Stream connection = await HostConnector.ConnectAsync(
            server.Scope.Length == 0 ? server.Host : $"{server.Host}%{server.Scope}", server.Port, socket => Prepare(socket, mark), ending);
        var tls = new SslStream(connection);
        try
        {
            SslClientAuthenticationOptions options = target.CreateTlsOptions(access);
            options.TargetHost = server.Host;
            options.EnabledSslProtocols = SslProtocols.Tls13;
            options.ApplicationProtocols = [SslApplicationProtocol.Http11];
            options.AllowTlsResume = false; // every connection proves anew who is at both ends
            options.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true);
            await tls.AuthenticateAsClientAsync(options, ending);
            await tls.WriteAsync(StreamHead.Request(server.ToString()), ending);
            (byte[] head, byte[] rest) = await StreamHead.ReadAsync(tls, ending);
            if (!StreamHead.IsAccepted(head))
            {
                throw new IOException(string.Create(
                    CultureInfo.InvariantCulture, $"the server offers no stream: its answer is {StreamHead.StatusOf(head)}"));
            }
            return new StreamConnection(target, tls, (connection as NetworkStream)?.Socket) { _early = rest };
        }
        catch
        {
            await tls.DisposeAsync();
            throw;
        }
    }

    private static void Prepare(Socket socket, uint mark)
    {
        socket.SendTimeout = (int)SendTimeout.TotalMilliseconds;
        socket.ReceiveTimeout = (int)StreamFrame.LongestSilence.TotalMilliseconds;
        if (mark != 0)
            SocketMark.TrySet(socket, mark);
    }
}
