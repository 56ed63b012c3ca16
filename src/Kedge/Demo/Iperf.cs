using System.Globalization;
using System.Text.Json;

namespace Kedge.Demo;

/// <summary>What iperf3 measured in one direction.</summary>
/// <param name="BitsPerSecond">Payload bits a second that arrived.</param>
/// <param name="Retransmits">TCP segments sent again; 0 for UDP.</param>
/// <param name="LostPackets">UDP datagrams that did not arrive; 0 for TCP.</param>
/// <param name="Packets">UDP datagrams sent; 0 for TCP.</param>
public sealed record Iperf(double BitsPerSecond, long Retransmits, long LostPackets, long Packets)
{
    /// <summary>Sends one or more TCP streams from one host to another for a while.</summary>
    /// <param name="from">The host that sends.</param>
    /// <param name="to">The host that receives.</param>
    /// <param name="address">The receiving host's address.</param>
    /// <param name="duration">How long, to the whole second.</param>
    /// <param name="streams">How many connections.</param>
    /// <exception cref="CommandException">iperf3 failed, or was not done 10 seconds after its time.</exception>
    public static Iperf Tcp(Host from, Host to, string address, TimeSpan duration, int streams = 1) =>
        Run(from, to, address, duration, "-P", Text(streams));

    /// <summary>Sends UDP datagrams from one host to another for a while.</summary>
    /// <param name="from">The host that sends.</param>
    /// <param name="to">The host that receives.</param>
    /// <param name="address">The receiving host's address.</param>
    /// <param name="duration">How long, to the whole second.</param>
    /// <param name="bitsPerSecond">The rate to send at.</param>
    /// <param name="payloadBytes">Bytes of each datagram's payload.</param>
    /// <exception cref="CommandException">iperf3 failed, or was not done 10 seconds after its time.</exception>
    public static Iperf Udp(Host from, Host to, string address, TimeSpan duration, long bitsPerSecond, int payloadBytes) =>
        Run(from, to, address, duration, "-u", "-w", "4M", "-b", Text(bitsPerSecond), "-l", Text(payloadBytes));

    private static Iperf Run(Host from, Host to, string address, TimeSpan duration, params string[] arguments)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        TimeSpan limit = TimeSpan.FromSeconds(10);
        // -1: one client, then it ends. Port 0 is not offered, but a host has one measurement at a time on one address.
        using RunningProcess server = to.Start("iperf3", "-s", "-1", "--forceflush", "-B", address);
        server.WaitForLine("Server listening", limit);
        var client = new Command(
        [
            "iperf3", "-c", address, "-J", "--connect-timeout", "5000", "-t", Text((long)duration.TotalSeconds), .. arguments,
        ])
        { Timeout = duration + limit };
        CommandResult result = from.Run(client);
        using JsonDocument document = JsonDocument.Parse(result.Output);
        // iperf3 may report an error and end with 0 all the same.
        if (document.RootElement.TryGetProperty("error", out JsonElement error))
            throw new CommandException(client, $"on {from}", error.GetString() ?? "an error without words", result);
        JsonElement end = document.RootElement.GetProperty("end");
        return end.TryGetProperty("sum", out JsonElement datagrams)
            ? OfUdp(datagrams)
            : OfTcp(end.GetProperty("sum_sent"), end.GetProperty("sum_received"));
    }

    private static Iperf OfTcp(JsonElement sent, JsonElement received) =>
        new(received.GetProperty("bits_per_second").GetDouble(), sent.GetProperty("retransmits").GetInt64(), 0, 0);

    private static Iperf OfUdp(JsonElement sum)
    {
        long packets = sum.GetProperty("packets").GetInt64();
        long lost = sum.GetProperty("lost_packets").GetInt64();
        return new(sum.GetProperty("bits_per_second").GetDouble() * (packets - lost) / Math.Max(packets, 1), 0, lost, packets);
    }

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);
}
