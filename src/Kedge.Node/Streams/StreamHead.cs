using System.Globalization;
using System.Text;
using Kedge.Protocol.Api;

namespace Kedge.Node.Streams;

/// <summary>The heads of the request and the answer by which a connection becomes a stream: HTTP/1.1 with Upgrade (RFC 9110 section 7.8).</summary>
internal static class StreamHead
{
    private const int Longest = 8 << 10;
    private const string Upgrade = $"Connection: Upgrade\r\nUpgrade: {StreamUpgrade.Protocol}\r\n";

    /// <summary>The answer to what <see cref="IsRequest"/>.</summary>
    public static ReadOnlyMemory<byte> Accepted { get; } = Encoding.ASCII.GetBytes($"HTTP/1.1 101 Switching Protocols\r\n{Upgrade}\r\n");

    /// <summary>The answer to everything else.</summary>
    public static ReadOnlyMemory<byte> Refused { get; } = Encoding.ASCII.GetBytes(
        $"HTTP/1.1 426 Upgrade Required\r\n{Upgrade}Content-Length: 0\r\n\r\n");

    /// <summary>What asks a server for a stream.</summary>
    public static byte[] Request(string host) => Encoding.ASCII.GetBytes($"GET {StreamUpgrade.Path} HTTP/1.1\r\nHost: {host}\r\n{Upgrade}\r\n");

    /// <summary>Whether a head asks for a stream.</summary>
    public static bool IsRequest(ReadOnlySpan<byte> head)
    {
        string text = Encoding.ASCII.GetString(head);
        return text.StartsWith($"GET {StreamUpgrade.Path} HTTP/1.1\r\n", StringComparison.Ordinal)
            && text.Contains($"\r\nUpgrade: {StreamUpgrade.Protocol}\r\n", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Whether a head says that the connection is a stream from now on.</summary>
    public static bool IsAccepted(ReadOnlySpan<byte> head) => head.StartsWith("HTTP/1.1 101 "u8);

    /// <summary>The status of an answer; 0 if there is none.</summary>
    public static int StatusOf(ReadOnlySpan<byte> head) => head.StartsWith("HTTP/1.1 "u8) && head.Length > 12
        && int.TryParse(head.Slice("HTTP/1.1 ".Length, 3), NumberStyles.None, CultureInfo.InvariantCulture, out int status) ? status : 0;

    /// <summary>Reads a head.</summary>
    /// <param name="connection">Where from.</param>
    /// <param name="ending">Ends it.</param>
    /// <returns>The head with its empty line, and what came behind it.</returns>
    /// <exception cref="IOException">There is none, or it is too long.</exception>
    public static async Task<(byte[] Head, byte[] Early)> ReadAsync(Stream connection, CancellationToken ending)
    {
        byte[] bytes = new byte[Longest];
        for (int length = 0; length < bytes.Length;)
        {
            int count = await connection.ReadAsync(bytes.AsMemory(length), ending);
            if (count == 0)
                throw new IOException("the connection was ended without an answer");
            length += count;
            int end = bytes.AsSpan(0, length).IndexOf("\r\n\r\n"u8);
            if (end >= 0)
                return (bytes[..(end + 4)], bytes[(end + 4)..length]);
        }
        throw new IOException("the answer is too long");
    }
}
