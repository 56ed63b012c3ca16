using Kedge.Node.Routing;
using Kedge.Protocol;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Logs what another program has taken away and was put back. In a fight with one that goes on, a line every ten seconds has the sum. One
/// thread at a time.
/// </summary>
/// <param name="log">Receives the lines.</param>
internal sealed class RepairLog(ILogger log)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private RoutingAdditions _untold;
    private Instant _next;

    /// <summary>Adds what was put back, which may be nothing, and logs what is due.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <param name="added">What was put back.</param>
    /// <param name="now">The present.</param>
    public void Add(string interfaceName, RoutingAdditions added, Instant now)
    {
        _untold += added;
        if (!_untold.Any || now < _next)
            return;
        if (_untold.Links > 0)
            Log.InterfaceSetUpAgain(log, interfaceName);
        string[] parts =
        [
            .. from part in ((int Count, string One, string Many)[])
               [(_untold.Rules, "rule", "rules"), (_untold.Routes, "route", "routes"), (_untold.Addresses, "address", "addresses")]
               where part.Count > 0
               select part.Count == 1 ? $"1 {part.One}" : $"{part.Count} {part.Many}",
        ];
        if (parts.Length > 0)
            Log.RoutingPutBack(log, Join(parts), interfaceName);
        _untold = default;
        _next = now + Interval;
    }

    private static string Join(string[] parts) => parts.Length == 1 ? parts[0] : $"{string.Join(", ", parts[..^1])} and {parts[^1]}";
}
