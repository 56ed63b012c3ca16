using System.Net.Sockets;
using System.Text;

namespace Kedge.Node.Supervision;

/// <summary>
/// Tells the service manager how we are (sd_notify(3)): a datagram to the socket that <c>NOTIFY_SOCKET</c> names. Without that variable
/// nobody wants to know, and nothing is sent.
/// </summary>
public static class ServiceNotification
{
    private const string Variable = "NOTIFY_SOCKET";
    private static readonly string? Address = TakeAddress();

    /// <summary>The service is at work. What depends on it may start.</summary>
    public static void Ready(string status) => Send($"READY=1\nSTATUS={OneLine(status)}");

    /// <summary>What the service does now, for <c>systemctl status</c>.</summary>
    public static void Status(string status) => Send($"STATUS={OneLine(status)}");

    /// <summary>The service has begun to end.</summary>
    public static void Stopping() => Send("STOPPING=1");

    /// <summary>
    /// Forgets the variable, so that processes started from here do not speak for this one. To be called before any is started.
    /// </summary>
    public static void KeepFromChildren() => _ = Address;

    private static string? TakeAddress()
    {
        string? address = Environment.GetEnvironmentVariable(Variable);
        Environment.SetEnvironmentVariable(Variable, null);
        // An abstract name is written with '@' for its first byte, which is zero (unix(7)).
        return address switch
        {
            ['/', ..] => address,
            ['@', .. var name] => $"\0{name}",
            _ => null,
        };
    }

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");

    private static void Send(string state)
    {
        if (Address is null)
            return;
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.SendTo(Encoding.UTF8.GetBytes(state), new UnixDomainSocketEndPoint(Address));
        }
        catch (SocketException)
        {
            // The manager is gone, or restarts: it will find out itself.
        }
    }
}
