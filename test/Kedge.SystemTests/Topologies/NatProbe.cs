using System.Globalization;
using System.Text;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;
using Kedge.SystemTests.Linux;
using Kedge.Threading;

namespace Kedge.SystemTests.Topologies;

/// <summary>
/// A server with two addresses and two ports, so four endpoints: first address and first port are number 0, first address and second port
/// 1, second address and first port 2. It answers from those that it is asked to answer from, and says whom it saw. Whoever started it
/// disposes it.
/// </summary>
internal sealed class NatProbeServer : IDisposable
{
    public const int Endpoints = 4;

    private readonly UdpPort[] _ports = [new(), new()];
    private readonly Endpoint[] _endpoints;
    private readonly Thread[] _threads;
    private volatile bool _isStopping;

    public NatProbeServer(Host host, string firstAddress, string secondAddress, ushort firstPort = 4000)
    {
        _endpoints =
        [
            .. from address in (string[])[firstAddress, secondAddress]
               from port in (ushort[])[firstPort, (ushort)(firstPort + 1)]
               select new Endpoint(IpAddress.Parse(address), port),
        ];
        for (int i = 0; i < _ports.Length; i++)
        {
            UdpPort port = _ports[i];
            ushort number = (ushort)(firstPort + i);
            host.Namespace.Run(() => port.Open(number));
        }
        _threads = [.. _ports.Select(port => DedicatedThread.Start("NAT probe server", () => Serve(port), Console.Error.WriteLine))];
    }

    /// <summary>One of its endpoints.</summary>
    public Endpoint this[int number] => _endpoints[number];

    /// <summary>Sends a datagram that nobody has asked for.</summary>
    public void Send(int from, Endpoint to) => Answer(from, to, to);

    public void Dispose()
    {
        _isStopping = true;
        foreach (UdpPort port in _ports)
            port.Sockets[0].Wake();
        foreach (Thread thread in _threads)
            thread.Join();
        foreach (UdpPort port in _ports)
            port.Dispose();
    }

    private void Serve(UdpPort port)
    {
        PacketBuffer[] received = PacketBuffer.Allocate(1);
        while (!_isStopping)
        {
            if (port.Sockets[0].Receive(received) == 0)
            {
                port.Sockets[0].WaitReadable();
                continue;
            }
            // Number 0 last: a packet that is let in then says that all others have had their chance.
            for (int number = Endpoints - 1; number >= 0; number--)
            {
                if ((received[0].Packet[0] & 1 << number) != 0)
                    Answer(number, received[0].Source, received[0].Source);
            }
        }
    }

    private void Answer(int from, Endpoint to, Endpoint seen)
    {
        byte[] text = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{from} {seen}"));
        var buffer = new PacketBuffer { Length = text.Length, Destination = to, Source = _endpoints[from] };
        text.CopyTo(buffer.Packet);
        _ports[from % 2].Sockets[0].Send([buffer]);
    }
}

/// <summary>A socket on a machine, with a port that nobody has used before. Whoever made it disposes it.</summary>
internal sealed class NatProbeSocket : IDisposable
{
    private readonly UdpPort _port = new();
    private readonly Receiver _receiver;
    private readonly NatProbeServer _server;

    public NatProbeSocket(Host host, NatProbeServer server, ushort port = 0)
    {
        _server = server;
        host.Namespace.Run(() => _port.Open(port));
        _receiver = new Receiver(_port);
    }

    public int Port => _port.Port;

    /// <summary>From which endpoints of the server answers have come, and what each of them saw.</summary>
    public IReadOnlyDictionary<int, string> Answers => _receiver.All
        .Select(one => Encoding.UTF8.GetString(one.Bytes).Split(' '))
        .DistinctBy(words => words[0])
        .ToDictionary(words => int.Parse(words[0], CultureInfo.InvariantCulture), words => words[1]);

    /// <summary>Asks one endpoint of the server to answer from some, 0 for none.</summary>
    public void Ask(int to, params int[] from) => Send(_server[to], (byte)from.Sum(number => 1 << number));

    /// <summary>Sends something to anybody.</summary>
    public void Send(Endpoint to, byte content = 0)
    {
        var buffer = new PacketBuffer { Length = 1, Destination = to };
        buffer.Packet[0] = content;
        _port.Sockets[0].Send([buffer]);
    }

    /// <summary>Asks one endpoint to answer, and returns whom it saw.</summary>
    public string Seen(int by)
    {
        for (int i = 0; i < 50 && !Answers.ContainsKey(by); i++)
        {
            Ask(by, by);
            Wait.TryUntil(() => Answers.ContainsKey(by), TimeSpan.FromMilliseconds(200));
        }
        return Answers[by];
    }

    /// <summary>The source of the first datagram that is no answer of the server's; null where none comes soon.</summary>
    public Endpoint? Stranger(TimeSpan patience)
    {
        Received? found = null;
        Wait.TryUntil(() => (found = _receiver.All.FirstOrDefault(one => one.Bytes.Length == 1)) is not null, patience);
        return found?.Source;
    }

    public void Dispose()
    {
        _receiver.Dispose();
        _port.Dispose();
    }
}

/// <summary>How a NAT behaves, as RFC 4787 has it.</summary>
public enum NatDependence
{
    EndpointIndependent,
    AddressDependent,
    AddressAndPortDependent,
}

/// <summary>What sockets inside find out about the NATs before them.</summary>
/// <param name="Mapping">On what the mapped port depends.</param>
/// <param name="Filtering">On what it depends who is let in.</param>
/// <param name="Seen">The endpoints that the server saw one socket at, one for each of its own, by their numbers.</param>
/// <param name="LocalPort">The socket's port.</param>
internal sealed record NatProbe(NatDependence Mapping, NatDependence Filtering, IReadOnlyList<string> Seen, int LocalPort)
{
    public static NatProbe Run(Host host, NatProbeServer server)
    {
        string[] seen;
        int localPort;
        using (var socket = new NatProbeSocket(host, server))
        {
            seen = [.. Enumerable.Range(0, NatProbeServer.Endpoints).Select(socket.Seen)];
            localPort = socket.Port;
        }
        NatDependence mapping = seen.Distinct().Count() == 1 ? NatDependence.EndpointIndependent
            : seen[0] == seen[1] && seen[2] == seen[3] ? NatDependence.AddressDependent
            : NatDependence.AddressAndPortDependent;
        return new(mapping, FilteringBefore(host, server), seen, localPort);
    }

    // A socket that nothing has been sent from: a socket of the test above would have opened the filters already.
    private static NatDependence FilteringBefore(Host host, NatProbeServer server)
    {
        using var socket = new NatProbeSocket(host, server);
        socket.Ask(0, 0, 1, 2, 3);
        Wait.Until(() => socket.Answers.ContainsKey(0), TimeSpan.FromSeconds(10), "the answer that every NAT lets in");
        return socket.Answers.ContainsKey(2) && socket.Answers.ContainsKey(3) ? NatDependence.EndpointIndependent
            : socket.Answers.ContainsKey(1) ? NatDependence.AddressDependent
            : NatDependence.AddressAndPortDependent;
    }
}
