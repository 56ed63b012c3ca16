using System.Globalization;
using Kedge.Demo;

namespace Kedge.SystemTests.KernelSelfTest;

/// <summary>
/// An end of a tunnel between two Kedge devices, on which these tests demand what the kernel's own test of its WireGuard demands of the
/// kernel (tools/testing/selftests/wireguard/netns.sh of Linux): the UDP port on one host, the interface on the same one or another.
/// </summary>
/// <param name="outside">The host with the port.</param>
/// <param name="inside">The host with the interface.</param>
/// <param name="number">The last part of the addresses inside the tunnel, and the port.</param>
internal sealed class SelfTestEnd(Host outside, Host inside, int number)
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>The device.</summary>
    public DeviceProcess Device { get; } = DeviceProcess.StartKedge(
        outside, Repository.Program, null, outside == inside ? [] : ["--netns", inside.Namespace.Name]);

    /// <summary>The host with the interface.</summary>
    public Host Inside => inside;

    /// <summary>The addresses inside the tunnel.</summary>
    public string Address { get; } = Text($"192.168.241.{number}");

    /// <inheritdoc cref="Address"/>
    public string Address6 { get; } = Text($"fd00::{number}");

    public string PublicKey => Device.Keys.PublicKey;

    /// <summary>Where the only peer is.</summary>
    public string PeerEndpoint => Device.Peers.Single().Endpoint ?? "";

    /// <summary>Starts two ends that are each other's peers and know no endpoint.</summary>
    public static (SelfTestEnd One, SelfTestEnd Two) StartPair(Host outsideOne, Host insideOne, Host outsideTwo, Host insideTwo)
    {
        SelfTestEnd one = new(outsideOne, insideOne, 1), two = new(outsideTwo, insideTwo, 2);
        string psk = outsideOne.Topology.WriteSecret("psk", WireGuardKeys.GeneratePresharedKey());
        foreach ((SelfTestEnd end, SelfTestEnd other) in new[] { (one, two), (two, one) })
        {
            end.Device.Set("listen-port", Text($"{(end == one ? 1 : 2)}"));
            end.Device.Set("peer", other.PublicKey, "preshared-key", psk, "allowed-ips", $"{other.Address}/32,{other.Address6}/128");
            end.Inside.AddAddress(end.Device.Name, $"{end.Address}/24");
            end.Inside.AddAddress(end.Device.Name, $"{end.Address6}/112");
            end.SetLink("up");
        }
        return (one, two);
    }

    /// <summary>Runs <c>ip link set</c> on the interface.</summary>
    public void SetLink(params string[] arguments) => inside.Ip(["link", "set", "dev", Device.Name, .. arguments]);

    /// <summary>Sets the endpoint of a peer.</summary>
    public void SetEndpoint(SelfTestEnd peer, string endpoint) => Device.Set("peer", peer.PublicKey, "endpoint", endpoint);

    /// <summary>Asserts that a ping comes back, perhaps not the first one on a machine that is busy.</summary>
    public void Reaches(string address) =>
        Wait.Until(() => Ping.Run(inside, address, count: 1, patience: Ping.Brief).AllReceived, Patience, $"an answer from {address} to {inside}");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
