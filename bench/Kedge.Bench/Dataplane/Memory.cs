using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Kedge.Demo;

namespace Kedge.Bench.Dataplane;

/// <summary>Resident memory of the first host's device, by its number of peers.</summary>
internal static partial class Memory
{
    private static readonly TimeSpan RunTime = TimeSpan.FromSeconds(2);
    private static readonly int[] Peers = [1, 100, 1000];

    public static IReadOnlyList<Measurement> Measurements { get; } =
    [
        new(WithPeers, [.. Peers.Select(count => Figure.Cost($"resident memory after TCP, {count:N0} peers, MB"))])
        {
            IsOfWireGuard = true,
        },
    ];

    private static double[] WithPeers(BenchPath path)
    {
        DeviceProcess device = path.Devices.DeviceOfA;
        var megabytes = new double[Peers.Length];
        int before = 1;
        for (int i = 0; i < Peers.Length; i++)
        {
            PeerList.Add(device, Enumerable.Range(before, Peers[i] - before).Select(_ => RandomNumberGenerator.GetBytes(32)), before);
            before = Peers[i];
            Iperf.Tcp(path.A, path.B, path.Ends.AddressOfB, RunTime);
            string status = File.ReadAllText($"/proc/{device.Process.ProcessId}/status");
            megabytes[i] = long.Parse(Resident().Match(status).Groups[1].ValueSpan, CultureInfo.InvariantCulture) * 1024 / 1e6;
        }
        return megabytes;
    }

    [GeneratedRegex(@"VmRSS:\s+(\d+) kB")]
    private static partial Regex Resident();
}

/// <summary>Many peers of one device, configured at once.</summary>
internal static class PeerList
{
    /// <summary>Adds peers, each with an address of 10.79.0.0/16, and an endpoint at which nobody is.</summary>
    /// <param name="device">Whose peers.</param>
    /// <param name="publicKeys">Their public keys, 32 bytes each.</param>
    /// <param name="first">The number of the first, by which addresses are told apart.</param>
    public static void Add(DeviceProcess device, IEnumerable<byte[]> publicKeys, int first = 0)
    {
        var configuration = new StringBuilder();
        foreach ((int index, byte[] key) in publicKeys.Index())
        {
            int number = first + index;
            configuration.Append(
                CultureInfo.InvariantCulture,
                $"""
                [Peer]
                PublicKey = {Convert.ToBase64String(key)}
                AllowedIPs = 10.79.{number >> 8}.{number & 255}/32
                Endpoint = 192.0.2.3:{1000 + number}

                """);
        }
        if (configuration.Length > 0)
            device.Host.Run(new Command("wg", "addconf", device.Name, "/dev/stdin") { Input = configuration.ToString() });
    }
}
