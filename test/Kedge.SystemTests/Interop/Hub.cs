using System.Globalization;
using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>
/// Kedge with several peers that run wireguard-go, each on a machine of its own on one switch. The machine number n has 192.0.2.n there,
/// and 10.77.0.n in the tunnel; Kedge is number 1. Whoever started it disposes it.
/// </summary>
internal sealed class Hub : IDisposable
{
    /// <summary>How many machines are built at a time.</summary>
    private const int AtOnce = 5;

    private Hub(Topology net, Switch cables, TunnelEnd kedge, TunnelEnd[] spokes) =>
        (Net, Cables, Kedge, Spokes) = (net, cables, kedge, spokes);

    public Topology Net { get; }

    public Switch Cables { get; }

    public TunnelEnd Kedge { get; }

    public IReadOnlyList<TunnelEnd> Spokes { get; }

    /// <summary>Builds it all; nobody is anybody's peer yet.</summary>
    public static Hub Start(int spokes)
    {
        var net = Topology.Create();
        try
        {
            Switch cables = net.AddSwitch("switch");
            var ends = new TunnelEnd[spokes + 1];
            Parallel.For(0, ends.Length, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, i =>
            {
                int number = i + 1;
                Host host = net.AddHost(string.Create(CultureInfo.InvariantCulture, $"{(i == 0 ? "kedge" : "peer")}{number}"));
                cables.Attach(host, [string.Create(CultureInfo.InvariantCulture, $"192.0.2.{number}/24")]);
                DeviceProcess device = i == 0 ? DeviceProcess.StartKedge(host, Repository.Program) : DeviceProcess.StartWireGuardGo(host);
                ends[i] = new TunnelEnd(device, number);
                ends[i].SetUp();
            });
            return new(net, cables, ends[0], ends[1..]);
        }
        catch
        {
            net.Dispose();
            throw;
        }
    }

    /// <summary>Makes a spoke and Kedge each other's peers. The spoke knows where Kedge is.</summary>
    public void Join(TunnelEnd spoke)
    {
        Kedge.Meet(spoke, knowsEndpoint: false);
        spoke.Meet(Kedge, knowsEndpoint: true);
    }

    public void Dispose() => Net.Dispose();
}
