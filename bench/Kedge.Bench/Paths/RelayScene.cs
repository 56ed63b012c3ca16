using System.Globalization;
using Kedge.Demo;

namespace Kedge.Bench.Paths;

/// <summary>A way from one end of a scene to the other.</summary>
/// <param name="Name">The head of its row.</param>
/// <param name="Take">Has the two ends use it, and returns when they do.</param>
/// <param name="ToReach">What it is to reach; empty if nothing.</param>
internal sealed record RelayPath(string Name, Action Take, string ToReach = "");

/// <summary>Two ends and what can relay between them, on one network. Whoever opened it disposes it.</summary>
internal abstract class RelayScene : IDisposable
{
    protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Makes the hosts.</summary>
    protected RelayScene()
    {
        Net = Topology.Create();
        Lan = Net.AddSwitch("lan");
        (Relay, A, B) = (Add("relay", 2), Add("a", 3), Add("b", 4));
    }

    /// <summary>The end that sends.</summary>
    public Host A { get; }

    /// <summary>The end that receives.</summary>
    public Host B { get; }

    /// <summary>Where the relay runs.</summary>
    protected Host Relay { get; }

    /// <summary>What has the hosts.</summary>
    protected Topology Net { get; }

    /// <summary>What they are attached to.</summary>
    protected Switch Lan { get; }

    /// <summary>The address of <see cref="B"/> inside the tunnel.</summary>
    public abstract string AddressOfB { get; }

    /// <summary>The ways that are measured.</summary>
    public abstract IReadOnlyList<RelayPath> Paths { get; }

    /// <summary>A host's address on the network.</summary>
    public static string AddressOf(int number) => string.Create(CultureInfo.InvariantCulture, $"192.0.2.{number}");

    /// <inheritdoc/>
    public virtual void Dispose() => Net.Dispose();

    /// <summary>Adds a host to the network.</summary>
    protected Host Add(string label, int number)
    {
        Host host = Net.AddHost(label);
        Lan.Attach(host, [$"{AddressOf(number)}/24"]);
        return host;
    }

    /// <summary>Drops what comes to a host from now on if it matches a rule of nft(8), in place of what was dropped before.</summary>
    /// <param name="host">The host.</param>
    /// <param name="matches">Such as <c>ip saddr 192.0.2.4 meta l4proto udp</c>.</param>
    protected static void Drop(Host host, params string[] matches)
    {
        host.TryRun("nft", "delete", "table", "ip", "cut");
        host.Run(new Command("nft", "-f", "-")
        {
            Input = $$"""
                table ip cut {
                    chain input {
                        type filter hook input priority -300; policy accept;
                        {{string.Join("\n        ", matches.Select(match => match + " drop"))}}
                    }
                }

                """,
        });
    }

    /// <summary>Waits until <see cref="A"/> has an answer of <see cref="B"/> inside the tunnel, and something else holds.</summary>
    protected void WaitForAnswer(string what, Func<bool>? condition = null)
    {
        using RunningProcess ping = A.Start("ping", "-n", "-i", "0.2", "-w", "120", AddressOfB);
        Wait.Until(() => condition?.Invoke() ?? true, Patience, what);
        Wait.Until(() => A.TryRun("ping", "-c", "1", "-W", "1", AddressOfB).Succeeded, Patience, what);
    }
}
