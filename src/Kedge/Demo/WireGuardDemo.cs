using System.Diagnostics;

namespace Kedge.Demo;

/// <summary>
/// <c>kedge demo wg</c>: Kedge on one machine and the distribution's wireguard-go on another, both made of network namespaces, and a tunnel
/// between them. Takes about twenty seconds and leaves nothing behind. Needs root.
/// </summary>
/// <param name="program">The path of the program <c>kedge</c>.</param>
/// <param name="report">Where it tells what it sees.</param>
public sealed class WireGuardDemo(string program, DemoReport report)
{
    private const string KedgeAddress = "10.78.0.1", OtherAddress = "10.78.0.2";
    private const string KedgeAddress6 = "fd78::1", OtherAddress6 = "fd78::2";
    private static readonly TimeSpan TransferTime = TimeSpan.FromSeconds(3);

    /// <summary>Runs the demo to its end.</summary>
    /// <returns>Whether all checks passed.</returns>
    public bool Run()
    {
        report.Say("Two machines, made of network namespaces, with a cable between them: 'kedge' runs Kedge, 'other' the distribution's wireguard-go.");
        long start = Stopwatch.GetTimestamp();
        using var net = Topology.Create();
        Host here = net.AddHost("kedge"), there = net.AddHost("other");
        net.Connect(here, there, ["192.0.2.1/24", "2001:db8::1/64"], ["192.0.2.2/24", "2001:db8::2/64"]);
        using DeviceProcess kedge = DeviceProcess.StartKedge(here, program);
        using DeviceProcess other = DeviceProcess.StartWireGuardGo(there);
        kedge.SetUp([$"{KedgeAddress}/24", $"{KedgeAddress6}/64"]);
        other.SetUp([$"{OtherAddress}/24", $"{OtherAddress6}/64"]);
        Join(kedge, other, presharedKey: null);

        report.Say($"Each has a WireGuard interface and knows the other's public key. Inside the tunnel they are {KedgeAddress} and {OtherAddress}.");
        report.Check("handshake", () => TunnelChecks.Handshake(kedge, OtherAddress));
        report.Check("ping over IPv4", () => TunnelChecks.Reach(here, OtherAddress));
        report.Check("ping over IPv6", () => TunnelChecks.Reach(here, OtherAddress6));
        report.Check("ping the other way", () => TunnelChecks.Reach(there, KedgeAddress));
        report.Check("TCP from Kedge to wireguard-go", () => TunnelChecks.Transfer(here, there, OtherAddress, TransferTime));
        report.Check("TCP from wireguard-go to Kedge", () => TunnelChecks.Transfer(there, here, KedgeAddress, TransferTime));

        report.Say("Now both get a preshared key, which is mixed into every handshake; then only one of them gets another.");
        string presharedKey = WireGuardKeys.GeneratePresharedKey();
        report.Check("the same PSK on both ends", () =>
        {
            Join(kedge, other, presharedKey);
            return TunnelChecks.Handshake(kedge, OtherAddress);
        });
        report.Check("another PSK on one end", () =>
        {
            Join(kedge, other, presharedKey, WireGuardKeys.GeneratePresharedKey());
            return Ping.Run(here, OtherAddress, count: 2, patience: Ping.Brief).Received == 0
                ? "nothing gets through, as it should be"
                : throw new DemoException("packets got through although the preshared keys differ");
        });
        report.Check("the same PSK again", () =>
        {
            Join(kedge, other, presharedKey);
            return TunnelChecks.Handshake(kedge, OtherAddress);
        });

        report.Say("What `wg show` says about the interface that Kedge runs:");
        report.Check("wg show", () => TunnelChecks.Show(kedge, report));
        return report.Conclude(Stopwatch.GetElapsedTime(start));
    }

    /// <summary>Makes the devices each other's peer anew, so that the next packet begins a handshake.</summary>
    private static void Join(DeviceProcess kedge, DeviceProcess other, string? presharedKey, string? othersPresharedKey = null)
    {
        kedge.Set("peer", other.Keys.PublicKey, "remove");
        other.Set("peer", kedge.Keys.PublicKey, "remove");
        kedge.AddPeer(other, [$"{OtherAddress}/32", $"{OtherAddress6}/128"], $"192.0.2.2:{other.ListenPort}", presharedKey);
        other.AddPeer(kedge, [$"{KedgeAddress}/32", $"{KedgeAddress6}/128"], presharedKey: othersPresharedKey ?? presharedKey);
    }
}
