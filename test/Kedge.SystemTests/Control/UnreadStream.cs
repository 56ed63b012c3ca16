using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Kedge.SystemTests.Control;

/// <summary>
/// A map stream whose node lets the controller send nothing: over HTTP/2 with a flow-control window of 0 (RFC 9113 section 6.9.2), so that
/// not even the first frame of the map can leave. Disposing closes it.
/// </summary>
internal sealed class UnreadStream : IDisposable
{
    private const byte Headers = 1, Settings = 4, Ping = 6, Acknowledged = 1;

    private readonly SslStream _connection;

    private UnreadStream(SslStream connection) => _connection = connection;

    /// <summary>Opens one, and waits until the controller has begun to answer.</summary>
    public static async Task<UnreadStream> OpenAsync(ControllerProcess controller, X509Certificate2 certificate)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, controller.Url.Port);
        var connection = new SslStream(new NetworkStream(socket, ownsSocket: true));
        await connection.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = controller.Url.Host,
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            CertificateChainPolicy = controller.Trust,
            ClientCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true),
        });
        var stream = new UnreadStream(connection);
        await connection.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray());
        await stream.WriteFrameAsync(Settings, 0, 0, [0, 4, 0, 0, 0, 0]); // SETTINGS_INITIAL_WINDOW_SIZE
        // RFC 7541, by the static table: GET, https, :path, :authority.
        byte[] request = [0x82, 0x87, 0x04, .. Text("/api/v1/node/map"), 0x01, .. Text(controller.Url.Authority)];
        await stream.WriteFrameAsync(Headers, 0x05, 1, request); // END_STREAM, END_HEADERS
        while (await stream.ReadFrameAsync() != Headers)
            continue;
        return stream;
    }

    /// <summary>Reads what the controller has sent, up to its answer to a ping.</summary>
    /// <returns>The types of the frames before that answer.</returns>
    public async Task<IReadOnlyList<byte>> ReadToPingAsync()
    {
        List<byte> types = [];
        await WriteFrameAsync(Ping, 0, 0, new byte[8]);
        while (await ReadFrameAsync() is var type && type != Ping)
            types.Add(type);
        return types;
    }

    public void Dispose() => _connection.Dispose();

    private static byte[] Text(string text) => [(byte)text.Length, .. Encoding.ASCII.GetBytes(text)];

    private async Task WriteFrameAsync(byte type, byte flags, int stream, byte[] payload)
    {
        byte[] frame = [0, 0, (byte)payload.Length, type, flags, 0, 0, 0, 0, .. payload];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        await _connection.WriteAsync(frame);
    }

    private async Task<byte> ReadFrameAsync()
    {
        byte[] header = new byte[9];
        await _connection.ReadExactlyAsync(header);
        await _connection.ReadExactlyAsync(new byte[(header[0] << 16) | (header[1] << 8) | header[2]]);
        if (header[3] == Settings && (header[4] & Acknowledged) == 0)
            await WriteFrameAsync(Settings, Acknowledged, 0, []);
        return header[3];
    }
}
