using System.Globalization;
using System.Text;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Commands;

/// <summary>A device's state as a person reads it.</summary>
public static class StatusText
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

    /// <summary>Puts a device's state in lines and tables, without secrets.</summary>
    /// <param name="name">The interface.</param>
    /// <param name="status">Its state.</param>
    /// <param name="exchanges">When keys were exchanged with its peers.</param>
    /// <param name="now">The wall clock, for the age of handshakes.</param>
    public static string Format(string name, DeviceStatus status, KeyExchangeAges exchanges, DateTimeOffset now)
    {
        var text = new StringBuilder();
        AppendTable(text, "", DeviceRows(name, status));
        if (status.Peers.Count > 0)
        {
            bool showsExchanges = exchanges.Peers.Any();
            string[] exchange = showsExchanges ? ["KEY EXCHANGE"] : [];
            text.Append('\n');
            AppendTable(text, "", status.Peers.Select(peer => PeerRow(peer, showsExchanges ? exchanges : null, now)).Prepend(
                ["PEER", "ENDPOINT", "HANDSHAKE", "RECEIVED", "SENT", "KEEPALIVE", "PSK", .. exchange, "ALLOWED IPS"]));
        }
        return text.Append(FormatCounts(status)).ToString();
    }

    /// <summary>What a device has dropped and why, and its figures; nothing where all are zero.</summary>
    internal static string FormatCounts(DeviceStatus status)
    {
        var text = new StringBuilder();
        AppendCounts(text, "dropped", status.Drops);
        AppendCounts(text, "figures", status.Gauges);
        return text.ToString();
    }

    private static IEnumerable<string[]> DeviceRows(string name, DeviceStatus status)
    {
        yield return ["interface", name];
        yield return ["public key", status.PublicKey?.ToString() ?? "none"];
        string none = status.PortProblem is { } problem ? $"none: {problem}" : "none";
        yield return ["listening port", status.ListenPort == 0 ? none : Number(status.ListenPort)];
        if (status.Fwmark != 0)
            yield return ["fwmark", string.Create(CultureInfo.InvariantCulture, $"0x{status.Fwmark:x}")];
        if (status.Mtu != 0)
            yield return ["MTU", Number(status.Mtu)];
        yield return ["peers", Number(status.Peers.Count)];
    }

    private static string[] PeerRow(PeerStatus peer, KeyExchangeAges? exchanges, DateTimeOffset now) =>
    [
        peer.PublicKey.ToString(),
        peer.Endpoint.IsNone ? "none" : peer.Endpoint.ToString(),
        peer.LastHandshake is { } last ? Age(now - last) : "never",
        Bytes(peer.ReceivedBytes),
        Bytes(peer.SentBytes),
        peer.PersistentKeepaliveInterval == 0 ? "off" : $"{Number(peer.PersistentKeepaliveInterval)} s",
        peer.HasPresharedKey ? "yes" : "no",
        .. exchanges is null ? [] : (string[])[LastExchange(peer, exchanges)],
        peer.AllowedIps.Count == 0 ? "none" : string.Join(", ", peer.AllowedIps),
    ];

    private static string LastExchange(PeerStatus peer, KeyExchangeAges exchanges) =>
        !exchanges.Contains(peer.PublicKey) ? "none" : exchanges.Of(peer.PublicKey) is { } age ? Age(age) : "not yet";

    private static void AppendCounts(StringBuilder text, string title, IEnumerable<NamedCount> counts)
    {
        string[][] rows = [.. from count in counts where count.Value != 0 select (string[])[Words(count.Name), Number(count.Value)]];
        if (rows.Length == 0)
            return;
        text.Append('\n').Append(title).Append('\n');
        AppendTable(text, "  ", rows);
    }

    internal static void AppendTable(StringBuilder text, string indentation, IEnumerable<string[]> rows)
    {
        string[][] cells = [.. rows];
        int[] widths = [.. Enumerable.Range(0, cells[0].Length).Select(column => cells.Max(row => row[column].Length))];
        foreach (string[] row in cells)
        {
            text.Append(indentation);
            for (int column = 0; column < row.Length - 1; column++)
                text.Append(row[column].PadRight(widths[column] + 2));
            text.Append(row[^1]).Append('\n');
        }
    }

    internal static string Age(TimeSpan age) => age switch
    {
        { Ticks: < 0 } => "in the future: check the clock",
        { TotalSeconds: < 120 } => $"{Number((long)age.TotalSeconds)} s ago",
        { TotalMinutes: < 120 } => $"{Number((long)age.TotalMinutes)} min ago",
        { TotalHours: < 48 } => $"{Number((long)age.TotalHours)} h ago",
        _ => $"{Number((long)age.TotalDays)} days ago",
    };

    internal static string Bytes(ulong count)
    {
        double value = count;
        int unit = 0;
        for (; value >= 1024; value /= 1024)
            unit++;
        return unit == 0 ? $"{count} B" : string.Create(CultureInfo.InvariantCulture, $"{value:0.00} {Units[unit]}");
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    // "NoRoute" becomes "no route".
    private static string Words(string name) =>
        string.Concat(name.Select(c => char.IsUpper(c) ? $" {char.ToLowerInvariant(c)}" : $"{c}")).TrimStart();
}
