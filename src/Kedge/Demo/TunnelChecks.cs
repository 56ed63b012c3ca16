using System.Diagnostics;

namespace Kedge.Demo;

/// <summary>What demos look at in a tunnel between two devices. Each returns what it saw, in plain words.</summary>
internal static class TunnelChecks
{
    private static readonly TimeSpan HandshakeTimeout = TimeSpan.FromSeconds(10);

    /// <summary>The device, which has one peer, gets an answer through the tunnel, and for that makes a handshake if need be.</summary>
    /// <exception cref="DemoException">There was no handshake.</exception>
    /// <exception cref="TimeoutException">There was no answer within ten seconds.</exception>
    public static string Handshake(DeviceProcess device, string otherAddress)
    {
        long start = Stopwatch.GetTimestamp();
        Wait.Until(
            () => Ping.Run(device.Host, otherAddress, count: 1, patience: Ping.Brief).AllReceived,
            HandshakeTimeout,
            "an answer through the tunnel");
        TimeSpan taken = Stopwatch.GetElapsedTime(start);
        PeerStatus peer = device.Peers.Single();
        return peer.LatestHandshake is null
            ? throw new DemoException("packets get through, but wg shows no handshake")
            : Text($"done; the first answer came after {taken.TotalMilliseconds:0} ms, from {peer.Endpoint}");
    }

    /// <summary>An address answers.</summary>
    /// <exception cref="DemoException">It does not, or not always.</exception>
    public static string Reach(Host from, string address)
    {
        Ping ping = Ping.Run(from, address, count: 5);
        return ping.AllReceived
            ? Text($"{ping.Received} of {ping.Sent} answers, {ping.Mean.TotalMilliseconds:0.00} ms on average")
            : throw new DemoException($"{ping.Received} of {ping.Sent} pings to {address} were answered");
    }

    /// <summary>How fast TCP is.</summary>
    public static string Transfer(Host from, Host to, string address, TimeSpan duration)
    {
        Iperf result = Iperf.Tcp(from, to, address, duration);
        return Text($"{result.BitsPerSecond / 1e6:0} Mbit/s through the tunnel, {result.Retransmits} segments sent again");
    }

    /// <summary>What <c>wg show</c> says, which hides secret keys.</summary>
    /// <exception cref="DemoException">It knows of no handshake.</exception>
    public static string Show(DeviceProcess device, DemoReport report)
    {
        string text = device.Host.Run("wg", "show", device.Name).Output.TrimEnd();
        foreach (string line in text.Split('\n'))
            report.Say($"    {line}".TrimEnd());
        return text.Contains("latest handshake", StringComparison.Ordinal)
            ? "the standard tool reads and configures Kedge"
            : throw new DemoException("no handshake is shown");
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
