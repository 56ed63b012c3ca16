using System.Diagnostics;
using Kedge.Demo;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;
using Kedge.SystemTests.Linux;

namespace Kedge.SystemTests.Mesh;

/// <summary>
/// Numbered datagrams that one host sends to another, five hundred a second, and in which order they arrive. Whoever started it disposes
/// it.
/// </summary>
internal sealed class NumberedStream : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(2);

    private readonly UdpPort _from = new(), _to = new();
    private readonly Endpoint _destination;
    private readonly Receiver _receiver;
    private readonly List<TimeSpan> _sent = [];
    private readonly Thread _thread;
    private volatile bool _isEnding;
    private volatile Exception? _failure;

    private NumberedStream(Host from, Host to, string address)
    {
        const ushort Port = 7000;
        _destination = new Endpoint(IpAddress.Parse(address), Port);
        from.Namespace.Run(() => _from.Open(0));
        to.Namespace.Run(() => _to.Open(Port));
        _receiver = new Receiver(_to);
        _thread = new Thread(Send) { IsBackground = true, Name = "numbered datagrams" };
        _thread.Start();
    }

    /// <summary>Starts to send.</summary>
    /// <param name="from">The host that sends.</param>
    /// <param name="to">The host that receives.</param>
    /// <param name="address">The receiving host's address.</param>
    public static NumberedStream Start(Host from, Host to, string address) => new(from, to, address);

    /// <summary>The numbers that have arrived so far, in their order.</summary>
    public int[] Arrived => [.. _receiver.All.SelectMany(one => one.Datagrams()).Select(bytes => BitConverter.ToInt32(bytes))];

    /// <summary>When each was sent, by number, since the first; once it has ended.</summary>
    public IReadOnlyList<TimeSpan> Sent => _sent;

    /// <summary>Waits until so many more have arrived.</summary>
    public void AwaitMore(int count)
    {
        int before = Arrived.Length;
        Wait.Until(() => Arrived.Length >= before + count, MeshNetwork.Patience, $"{count} datagrams");
    }

    /// <summary>Ends it, and waits until the last one has arrived.</summary>
    public void End()
    {
        _isEnding = true;
        _thread.Join();
        Assert.Null(_failure);
        Wait.Until(() => Arrived.Contains(_sent.Count - 1), MeshNetwork.Patience, "the last datagram");
        Assert.Null(_receiver.Failure);
    }

    public void Dispose()
    {
        _isEnding = true;
        _thread.Join();
        _receiver.Dispose();
        _from.Dispose();
        _to.Dispose();
    }

    private void Send()
    {
        try
        {
            long start = Stopwatch.GetTimestamp();
            while (!_isEnding)
            {
                // As many as are due: nobody gets a turn each 2 ms.
                while (_sent.Count * Interval <= Stopwatch.GetElapsedTime(start))
                {
                    _sent.Add(Stopwatch.GetElapsedTime(start));
                    _from.Sockets[0].Send([Batch.Datagram(_destination, _sent.Count - 1)]);
                }
                Wait.TryUntil(() => _isEnding, Interval);
            }
        }
        catch (Exception e)
        {
            _failure = e;
        }
    }
}
