using System.Text.Json;
using Kedge.Protocol.WireGuard;

namespace Kedge.Commands;

/// <summary>What is wrong with an interface.</summary>
/// <param name="Peer">The peer that it is about; null for the interface itself.</param>
/// <param name="Text">A sentence.</param>
internal sealed record HealthProblem(PublicKey? Peer, string Text);

/// <summary>How an interface fares.</summary>
/// <param name="Interface">The interface.</param>
/// <param name="MaximumAge">How old the last handshake and the last key exchange with a peer may be.</param>
/// <param name="Problems">What is wrong; empty where it is healthy.</param>
internal sealed record HealthReport(string Interface, TimeSpan MaximumAge, IReadOnlyList<HealthProblem> Problems)
{
    /// <summary>Whether nothing is wrong.</summary>
    public bool IsHealthy => Problems.Count == 0;

    /// <summary>The report in lines for a person.</summary>
    public string ToText() => IsHealthy
        ? $"{Interface} is healthy.\n"
        : string.Concat(Problems.Select(problem => problem.Peer is { } peer
            ? $"{Interface}, peer {peer}: {problem.Text}\n"
            : $"{Interface}: {problem.Text}\n"));

    /// <summary>Writes the report as an object.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("interface", Interface);
        json.WriteBoolean("healthy", IsHealthy);
        json.WriteNumber("maxAgeSeconds", (long)MaximumAge.TotalSeconds);
        json.WriteStartArray("problems");
        foreach (HealthProblem problem in Problems)
        {
            json.WriteStartObject();
            json.WriteString("peer", problem.Peer?.ToString());
            json.WriteString("problem", problem.Text);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
