using System.Diagnostics;
using System.Globalization;

namespace Kedge.Demo;

/// <summary>
/// <c>kedge demo pq</c>: a tunnel between two machines made of network namespaces, whose preshared keys come from Rosenpass, and what an
/// eavesdropper would need. Takes about twenty seconds and leaves nothing behind. Needs root.
/// </summary>
/// <param name="program">The path of the program <c>kedge</c>.</param>
/// <param name="report">Where it tells what it sees.</param>
public sealed class RosenpassDemo(string program, DemoReport report)
{
    private const string LeftAddress = "10.79.0.1", RightAddress = "10.79.0.2";
    private const int PingsMeanwhile = 50;
    private static readonly TimeSpan ExchangeTimeout = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan TransferTime = TimeSpan.FromSeconds(1);

    /// <summary>Runs the demo to its end.</summary>
    /// <returns>Whether all checks passed.</returns>
    public bool Run()
    {
        report.Say(
            """
            Two machines, 'left' and 'right', made of network namespaces, with a cable between them. WireGuard runs on both, and so does
            Rosenpass, whose exchange is safe from quantum computers: the keys that it makes become WireGuard's preshared keys.
            """);
        long start = Stopwatch.GetTimestamp();
        using var net = Topology.Create();
        Host leftHost = net.AddHost("left"), rightHost = net.AddHost("right");
        net.Connect(leftHost, rightHost, ["192.0.2.1/24"], ["192.0.2.2/24"]);
        RosenpassEnd left = new(leftHost, program, "192.0.2.1", LeftAddress), right = new(rightHost, program, "192.0.2.2", RightAddress);

        if (!report.Check("key pairs", () => MakeKeys(left, right)) || !report.Check("first exchange", () => Exchange(left, right)))
            return report.Conclude(Stopwatch.GetElapsedTime(start));
        report.Check("handshake with that key", () => TunnelChecks.Handshake(left.Device, RightAddress));
        report.Check("TCP through the tunnel", () => TunnelChecks.Transfer(leftHost, rightHost, RightAddress, TransferTime));
        report.Say("What `wg show` says at 'left', before the key is renewed:");
        string first = left.PresharedKey;
        report.Check("wg show before", () => Show(left, "unchanged since the exchange", isRight: key => key == first));

        report.Say(
            """
            Rosenpass renews the key every two minutes. So as not to wait for that, its process at 'left' is started again, and that
            begins with an exchange; packets go through the tunnel meanwhile.
            """);
        report.Check("renewal", () => Renew(left, right));
        report.Say("WireGuard takes the new key with its next handshake, every two minutes too. 'left' makes one now, and `wg show` says:");
        report.Check("handshake with the new key", () => Rejoin(left, right, left.KeyFile));
        report.Check("wg show after", () => Show(left, "changed by the renewal", isRight: key => key != first));

        report.Say(
            """
            A quantum computer finds WireGuard's private keys. With these, but another preshared key, 'left' tries again, without Rosenpass,
            which would put the right one back within seconds:
            """);
        report.Check("WireGuard's keys are not enough", () => RejoinInVain(left, right));
        report.Check("with the exchanged key again", () => Rejoin(left, right, left.KeyFile));

        report.Say(
            """
            What an eavesdropper would need who records all of this today, and has a quantum computer one day:
              Without a preshared key, that computer is enough. It computes WireGuard's session keys from the public keys (X25519).
              With one from Rosenpass it is not, because that key was never on the cable. To compute it from the recording, he would have
              to break both Classic McEliece and Kyber, for which no quantum computer is known to be of help.
              Whoever steals the files with the secret keys later has McEliece's; Kyber's were made for one exchange each, and are gone.
              And a preshared key that is known all the same is good for the two minutes until the next one.
            Against whoever is root on one of the two machines, nothing of this helps.
            """);
        return report.Conclude(Stopwatch.GetElapsedTime(start));
    }

    private static string MakeKeys(RosenpassEnd left, RosenpassEnd right)
    {
        left.MakeKeys();
        right.MakeKeys();
        return string.Create(
            CultureInfo.InvariantCulture,
            $"made; a public one has {new FileInfo(left.PublicKeyFile).Length:N0} bytes, WireGuard's 32");
    }

    private static string Exchange(RosenpassEnd left, RosenpassEnd right)
    {
        right.Start(left);
        left.Start(right);
        return $"after {AwaitKey(left, right, before: "")} both have the same preshared key, and no packet passed without one";
    }

    private static string Renew(RosenpassEnd left, RosenpassEnd right)
    {
        string before = left.PresharedKey;
        if (before != right.PresharedKey)
            throw new DemoException("the ends had different preshared keys before the renewal");
        Task<Ping> pings = Task.Run(() => Ping.Run(left.Device.Host, RightAddress, PingsMeanwhile));
        left.Restart(right);
        string taken = AwaitKey(left, right, before);
        Ping ping = pings.GetAwaiter().GetResult();
        return ping.AllReceived
            ? $"after {taken} both have another preshared key; {ping.Received} of {ping.Sent} pings were answered meanwhile"
            : throw new DemoException($"{ping.Received} of {ping.Sent} pings were answered while the key was renewed");
    }

    /// <summary>Shows what <c>wg show</c> says, and says of the preshared key, which that hides, whether it is what it should be.</summary>
    private string Show(RosenpassEnd end, string what, Func<string, bool> isRight)
    {
        TunnelChecks.Show(end.Device, report);
        return isRight(end.PresharedKey) ? $"preshared key: {what}" : throw new DemoException($"the preshared key is not {what}");
    }

    /// <summary>Waits until both ends have the same preshared key, another one than before, and says how long that took.</summary>
    private static string AwaitKey(RosenpassEnd left, RosenpassEnd right, string before)
    {
        long start = Stopwatch.GetTimestamp();
        Wait.Until(
            () => left.PresharedKey is var key && key != before && key == right.PresharedKey,
            ExchangeTimeout,
            "a new preshared key, the same at both ends");
        return string.Create(CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(start).TotalMilliseconds:0} ms");
    }

    /// <summary>Makes a handshake with a preshared key by forgetting the peer and its session.</summary>
    private static string Rejoin(RosenpassEnd left, RosenpassEnd right, string presharedKeyFile)
    {
        left.Rejoin(right, presharedKeyFile);
        return TunnelChecks.Handshake(left.Device, RightAddress);
    }

    private static string RejoinInVain(RosenpassEnd left, RosenpassEnd right)
    {
        left.Stop();
        left.Rejoin(right, left.Device.Host.Topology.WriteSecret("other.psk", WireGuardKeys.GeneratePresharedKey()));
        return Ping.Run(left.Device.Host, RightAddress, count: 2, patience: Ping.Brief).Received == 0
            ? "nothing gets through, as it should be"
            : throw new DemoException("packets got through although the preshared keys differ");
    }
}
