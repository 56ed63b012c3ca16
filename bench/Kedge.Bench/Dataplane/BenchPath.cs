using Kedge.Demo;

namespace Kedge.Bench.Dataplane;

/// <summary>Under what a <see cref="Contender"/> is measured.</summary>
/// <param name="Mtu">Bytes of the longest packet that it carries.</param>
/// <param name="Wire">How bad the cable between the hosts is; null for a veth pair, which is not bad at all.</param>
internal sealed record Conditions(int Mtu = 1420, WireQuality? Wire = null);

/// <summary>
/// Two hosts, a cable between them, and a contender that carries packets from one to the other; the first packet has been answered. What
/// it made is gone when it is disposed.
/// </summary>
internal sealed class BenchPath : IDisposable
{
    /// <summary>The first host's address on the cable.</summary>
    public const string CableOfA = "192.0.2.1";

    /// <summary>The second host's address on the cable.</summary>
    public const string CableOfB = "192.0.2.2";

    /// <summary>The first host's address in a tunnel.</summary>
    public const string TunnelOfA = "10.78.0.1";

    /// <summary>The second host's address in a tunnel.</summary>
    public const string TunnelOfB = "10.78.0.2";

    /// <summary>Bytes that a tunnel may add to a packet: WireGuard over IPv6 does.</summary>
    public const int OuterHeaders = 80;

    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(10);

    private readonly Topology _net;

    private BenchPath(Topology net, Host a, Host b, Ends ends) => (_net, A, B, Ends) = (net, a, b, ends);

    /// <summary>The host that begins: it sends, asks and connects.</summary>
    public Host A { get; }

    /// <summary>The host that answers.</summary>
    public Host B { get; }

    /// <summary>What the contender made.</summary>
    public Ends Ends { get; }

    /// <summary>The devices; for measurements of WireGuard alone.</summary>
    public Devices Devices => (Devices)Ends;

    /// <summary>Builds it all.</summary>
    public static BenchPath Open(Contender contender, Conditions conditions)
    {
        var net = Topology.Create();
        try
        {
            Host a = net.AddHost("a"), b = net.AddHost("b");
            int outerMtu = Math.Min(conditions.Mtu + OuterHeaders, 65535);
            if (conditions.Wire is { } wire)
                net.ConnectByWire(a, b, [$"{CableOfA}/24"], [$"{CableOfB}/24"], wire, outerMtu);
            else
                net.Connect(a, b, [$"{CableOfA}/24"], [$"{CableOfB}/24"], outerMtu);
            var path = new BenchPath(net, a, b, contender.Start(a, b, conditions.Mtu));
            Wait.Until(
                () => Ping.Run(a, path.Ends.AddressOfB, count: 1, patience: Ping.Brief).AllReceived,
                StartTimeout,
                $"an answer by {contender.Name}");
            return path;
        }
        catch
        {
            net.Dispose();
            throw;
        }
    }

    public void Dispose() => _net.Dispose();
}
