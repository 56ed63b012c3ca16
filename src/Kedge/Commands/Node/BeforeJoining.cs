using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Node.ControlLink;
using Kedge.Node.PortMapping;
using Kedge.Protocol;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.PortMapping;
using Microsoft.Extensions.Logging.Abstractions;
using static Kedge.Commands.Node.NetcheckCommand;

namespace Kedge.Commands.Node;

/// <summary>What <c>kedge netcheck</c> can say before a node has joined: whether the machine and the network will let it.</summary>
internal static class BeforeJoining
{
    private const string TunDevice = "/dev/net/tun";
    private const int NetworkAdministration = 12; // CAP_NET_ADMIN, capabilities(7)

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan GatewayTime = TimeSpan.FromSeconds(0.5), MappingTime = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan MappingPause = TimeSpan.FromMilliseconds(20);

    /// <summary>Checks what can be checked.</summary>
    /// <param name="place">Which interface is to join.</param>
    /// <param name="line">The join line; null where none is given: then the controller is left out.</param>
    /// <param name="asking">What STUN servers tell: those that were named, or the controller's.</param>
    public static async Task<Check[]> CheckAsync(NodePlace place, JoinLine? line, Task<NatChecks> asking)
    {
        Task<Check> mapping = CheckPortMappingAsync();
        List<Check> checks =
        [
            new("membership", Ok: true, $"{place.Interface} has not joined a zone yet: 'kedge up --join-file FILE' does that."),
            CheckRights(),
            CheckTun(),
            CheckLocal(),
        ];
        if (line is null)
            checks.Add(new("controller", Ok: true, "Not checked: name the file with the join line by --join-file FILE."));
        else
            checks.AddRange(await CheckControllerAsync(line));
        NatChecks nats = await asking;
        checks.AddRange(nats.CheckStun() is { } stun
            ? [stun, .. nats.CheckNats(isMapped: false, port: 0)]
            : [new("NAT", Ok: true, "Not checked: name a STUN server by --stun, or the file with the join line by --join-file FILE.")]);
        checks.Add(await mapping);
        checks.Add(CheckIPv6());
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

    private static async Task<Check[]> CheckControllerAsync(JoinLine line)
    {
        IPAddress[] addresses = await FindAsync(line.Host);
        return
        [
            addresses.Length > 0
                ? new("name", Ok: true, $"{line.Host} is {string.Join(", ", addresses.Select(address => address.ToString()))}.")
                : new("name", Ok: false, $"{line.Host} cannot be resolved. Check its spelling and this machine's DNS."),
            await ReachControllerAsync(line),
        ];
    }

    private static async Task<Check> ReachControllerAsync(JoinLine line)
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

    /// <summary>Has a new port mapped at the gateway, for as long as it takes to see whether that can be done.</summary>
    private static async Task<Check> CheckPortMappingAsync()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Any, 0));
        using var mapper = new PortMapper(RandomNumberGenerator.GetBytes(32), NullLogger.Instance)
        {
            Port = (ushort)((IPEndPoint)socket.LocalEndPoint!).Port,
        };
        using var ending = new CancellationTokenSource();
        Task running = mapper.RunAsync(ending.Token);
        Instant begin = BootClock.Now;
        while (!IsKnown(mapper.State, BootClock.Now - begin))
            await Task.Delay(MappingPause);
        PortMappingState state = mapper.State;
        if (state is { External.IsNone: true, Error: PortMappingError.None, Gateway.IsNone: false })
            state = state with { Error = PortMappingError.NoAnswer };
        await ending.CancelAsync();
        try
        {
            await running; // which deletes the mapping
        }
        catch (OperationCanceledException)
        {
            // As it should end.
        }
        return new("port mapping", Ok: true, state.External.IsNone
            ? $"A node behind a NAT could not have its port mapped: {state.Summary}."
            : $"The gateway maps ports by itself: a new one was {state.Summary}, and is no more.");
    }

    private static bool IsKnown(PortMappingState state, TimeSpan after) =>
        !state.External.IsNone || state.Error != PortMappingError.None || after > (state.Gateway.IsNone ? GatewayTime : MappingTime);
}
