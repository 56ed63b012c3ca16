using System.Net;
using System.Net.Sockets;

namespace Kedge.Node.Connecting;

/// <summary>Makes TCP connections to hosts by name: every outgoing connection of the program. Any thread.</summary>
public static class HostConnector
{
    /// <summary>How long all addresses of a host together have to answer.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    /// <summary>Finds a host's addresses and connects to the one that answers first.</summary>
    /// <param name="host">A name or an address, with or without brackets.</param>
    /// <param name="port">The TCP port.</param>
    /// <param name="prepare">Sets options of each socket before it connects, such as a firewall mark; null for none.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>The connection, the caller's.</returns>
    /// <exception cref="ConnectException">The name cannot be resolved, or none of its addresses can be connected to.</exception>
    /// <exception cref="OperationCanceledException">It was canceled.</exception>
    public static async Task<Stream> ConnectAsync(string host, int port, Action<Socket>? prepare, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(host);
        IPAddress[] addresses = await ResolveAsync(host.Trim('[', ']'), cancellation);
        return await AddressRace.RunAsync(
            addresses, (address, ending) => ConnectAsync(new IPEndPoint(address, port), prepare, ending),
            Patience, TimeProvider.System, cancellation);
    }

    private static async Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellation)
    {
        if (IPAddress.TryParse(host, out IPAddress? address))
            return [address];
        try
        {
            return await Dns.GetHostAddressesAsync(host, cancellation) is { Length: > 0 } addresses
                ? addresses
                : throw new SocketException((int)SocketError.NoData);
        }
        catch (SocketException e)
        {
            // getaddrinfo's own errors have the text of errno, "Resource temporarily unavailable", which says nothing about names.
            string reason = e.SocketErrorCode switch
            {
                SocketError.HostNotFound => "there is no such name",
                SocketError.NoData => "the name has no address",
                SocketError.TryAgain => "the name servers do not answer",
                _ => e.Message,
            };
            throw new ConnectException($"cannot resolve {host}: {reason}", e.SocketErrorCode, e);
        }
    }

    private static async Task<Stream> ConnectAsync(IPEndPoint endpoint, Action<Socket>? prepare, CancellationToken cancellation)
    {
        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            prepare?.Invoke(socket);
            await socket.ConnectAsync(endpoint, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
