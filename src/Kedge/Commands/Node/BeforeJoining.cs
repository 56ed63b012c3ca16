using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Node.ControlLink;
using Kedge.Protocol;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;
using static Kedge.Commands.Node.NetcheckCommand;

namespace Kedge.Commands.Node;

/// <summary>What <c>kedge netcheck</c> can say before a node has joined: whether the machine and the network will let it.</summary>
internal static class BeforeJoining
{
    private const string TunDevice = "/dev/net/tun";
    private const int NetworkAdministration = 12; // CAP_NET_ADMIN, capabilities(7)

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    /// <summary>Checks what can be checked.</summary>
    /// <param name="place">Which interface is to join.</param>
    /// <param name="line">The join line; null where none is given: then the controller is left out.</param>
    public static async Task<Check[]> CheckAsync(NodePlace place, JoinLine? line)
    {
        List<Check> checks =
        [
            new("membership", Ok: true, $"{place.Interface} has not joined a zone yet: 'kedge up --join-file FILE' does that."),
            CheckRights(),
            CheckTun(),
            CheckLocal(),
        ];
        if (line is null)
        {
            checks.Add(new("controller", Ok: true, "Not checked: name the file with the join line by --join-file FILE."));
            return [.. checks];
        }
        IPAddress[] addresses = await FindAsync(line.Host);
        checks.Add(addresses.Length > 0
            ? new("name", Ok: true, $"{line.Host} is {string.Join(", ", addresses.Select(address => address.ToString()))}.")
            : new("name", Ok: false, $"{line.Host} cannot be resolved. Check its spelling and this machine's DNS."));
        checks.Add(await CheckControllerAsync(line));
        if (addresses.Length > 0)
            checks.Add(await CheckStunAsync(addresses));
        return [.. checks];
    }

    private static Check CheckRights()
    {
        const string Effective = "CapEff:";
        string line = File.ReadLines("/proc/self/status").First(one => one.StartsWith(Effective, StringComparison.Ordinal));
        ulong capabilities = ulong.Parse(line[Effective.Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        return (capabilities >> NetworkAdministration & 1) != 0
            ? new("rights", Ok: true, "This user may make interfaces and routes.")
            : new(
                "rights", Ok: false,
                "This user may not make interfaces and routes: run 'kedge up' as root; a container needs the capability NET_ADMIN.");
    }

    private static Check CheckTun()
    {
        try
        {
            using var device = File.OpenHandle(TunDevice, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            return new("TUN device", Ok: true, $"{TunDevice} can be opened.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new("TUN device", Ok: false, $"{e.Message} Load the module with 'modprobe tun'; a container needs the device.");
        }
    }

    private static async Task<IPAddress[]> FindAsync(string host)
    {
        try
        {
            return await Dns.GetHostAddressesAsync(host);
        }
        catch (SocketException)
        {
            return [];
        }
    }

    private static async Task<Check> CheckControllerAsync(JoinLine line)
    {
        using var client = new ControllerClient(ControllerAddress.Of(line), certificate: null, identity: null, TimeProvider.System);
        using var timeout = new CancellationTokenSource(Timeout);
        try
        {
            await client.ReachAsync(timeout.Token);
            return new("controller", Ok: true, $"{line.Url} answers, and it is the pinned one.");
        }
        catch (ControllerException e)
        {
            return new("controller", Ok: false, e.Message);
        }
        catch (OperationCanceledException)
        {
            return new(
                "controller", Ok: false, $"{line.Url} did not answer within {Timeout.TotalSeconds} s. A firewall may drop TCP to it.");
        }
    }

    // The port that a controller has where nothing else is said; which it is, a node is told once it has joined.
    private static async Task<Check> CheckStunAsync(IPAddress[] addresses)
    {
        IEnumerable<Task<(IPEndPoint Server, Endpoint? Seen)>> questions =
            addresses.Select(address => AskStunAsync(new IPEndPoint(address, StunServer.DefaultPort)));
        await foreach (Task<(IPEndPoint Server, Endpoint? Seen)> answer in Task.WhenEach(questions))
        {
            if (await answer is (var server, { } seen))
                return new("STUN", Ok: true, $"{server.Address} sees this machine at {seen}.");
        }
        return new(
            "STUN", Ok: false,
            $"The controller does not answer at UDP port {StunServer.DefaultPort}. A firewall may drop UDP; "
            + "without STUN, nodes behind a NAT are not found.");
    }

    private static async Task<(IPEndPoint Server, Endpoint? Seen)> AskStunAsync(IPEndPoint server)
    {
        var endpoint = new Endpoint(IpAddress.FromBytes(server.Address.GetAddressBytes()), (ushort)server.Port);
        if (!StunClient.CanAsk(endpoint))
            return (server, null);
        var client = new StunClient(RandomNumberGenerator.Fill);
        byte[] buffer = new byte[1500];
        Instant end = BootClock.Now + StunClient.GiveUpTime;
        client.Use(BootClock.Now, [endpoint]);
        try
        {
            using var socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            await socket.ConnectAsync(server);
            while (BootClock.Now < end)
            {
                if (client.Poll(BootClock.Now, buffer, out _) is { Kind: OutcomeKind.ToNetwork } due)
                    await socket.SendAsync(buffer.AsMemory(0, due.Length));
                TimeSpan wait = client.NextDeadline - BootClock.Now;
                using var patience = new CancellationTokenSource(wait > TimeSpan.Zero ? wait : TimeSpan.Zero);
                try
                {
                    int received = await socket.ReceiveAsync(buffer, patience.Token);
                    client.Receive(buffer.AsSpan(0, received), endpoint);
                }
                catch (OperationCanceledException)
                {
                    // Lost, or not answered: once more.
                }
                if (client.Results.First() is { Reflexive: { IsNone: false } seen })
                    return (server, seen);
            }
        }
        catch (SocketException)
        {
            // There is no way there, or nothing at the port.
        }
        return (server, null);
    }
}
