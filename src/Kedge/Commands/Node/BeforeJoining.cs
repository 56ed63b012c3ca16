using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Kedge.Node.ControlLink;
using Kedge.Node.Routing;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;
using static Kedge.Commands.Node.NetcheckCommand;

namespace Kedge.Commands.Node;

/// <summary>What <c>kedge netcheck</c> can say before a node has joined: whether the machine and the network will let it.</summary>
internal static class BeforeJoining
{
    private const string TunDevice = "/dev/net/tun";
    private const int NetworkAdministration = 12; // CAP_NET_ADMIN, capabilities(7)

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10), StunPatience = TimeSpan.FromSeconds(1);

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

    private static Check CheckLocal()
    {
        IReadOnlyList<IpAddress> addresses = LocalAddresses.Find();
        return addresses.Count == 0
            ? new("local addresses", Ok: false, "This machine has no address that others could reach.")
            : new("local addresses", Ok: true, $"{string.Join(", ", addresses)}.");
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
        byte[] request = new byte[StunClient.RequestSize], answer = new byte[1500];
        StunTransactionId id = StunTransactionId.Create(RandomNumberGenerator.Fill);
        int length = new StunWriter(request, StunMessageType.BindingRequest, id).Length;
        try
        {
            using var socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            await socket.ConnectAsync(server);
            for (int attempt = 0; attempt < 3; attempt++)
            {
                using var patience = new CancellationTokenSource(StunPatience);
                try
                {
                    await socket.SendAsync(request.AsMemory(0, length), patience.Token);
                    int received = await socket.ReceiveAsync(answer, patience.Token);
                    if (TryRead(answer.AsSpan(0, received), id, out Endpoint seen))
                        return (server, seen);
                }
                catch (OperationCanceledException)
                {
                    // Lost, or not answered: once more.
                }
            }
        }
        catch (SocketException)
        {
            // There is no way there, or nothing at the port.
        }
        return (server, null);
    }

    private static bool TryRead(ReadOnlySpan<byte> datagram, StunTransactionId id, out Endpoint seen)
    {
        seen = default;
        return StunMessage.TryParse(datagram, out StunMessage message)
            && message.TransactionId == id
            && message.Type == StunMessageType.BindingSuccess
            && message.TryReadMappedAddress(out seen);
    }
}
