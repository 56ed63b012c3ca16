using System.Buffers;

namespace Kedge.Control.Listening;

/// <summary>Recognises the first TLS record of a connection, which carries the ClientHello (RFC 8446, sections 4 and 5.1).</summary>
internal static class ClientHelloRecord
{
    private const int HeaderSize = 5;
    private const byte HandshakeContent = 22, ClientHelloMessage = 1, MajorVersion = 3;
    private const int ShortestContent = 4, LongestContent = 1 << 14;

    /// <summary>Whether a connection begins with such a record.</summary>
    /// <param name="received">What has been received so far.</param>
    /// <returns>True if the whole record has arrived, false if the connection begins with something else, null if more bytes are needed.</returns>
    public static bool? IsComplete(ReadOnlySequence<byte> received)
    {
        Span<byte> start = stackalloc byte[HeaderSize + 1];
        int length = (int)Math.Min(received.Length, start.Length);
        received.Slice(0, length).CopyTo(start);
        if (length > 0 && start[0] != HandshakeContent)
            return false;
        if (length > 1 && start[1] != MajorVersion)
            return false;
        if (length < start.Length)
            return null;
        int content = start[3] << 8 | start[4];
        if (content is < ShortestContent or > LongestContent || start[HeaderSize] != ClientHelloMessage)
            return false;
        return received.Length >= HeaderSize + content ? true : null;
    }
}
