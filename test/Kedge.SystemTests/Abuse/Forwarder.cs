using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Abuse;

/// <summary>
/// A host in the middle: each of two devices takes its UDP port for the other device. It passes on everything and keeps a copy, as anybody
/// on the way can.
/// </summary>
internal sealed class Forwarder : IDisposable
{
    private const int Kept = 20_000;

    private readonly UdpPort _port;
    private readonly Endpoint _first;
    private readonly Endpoint _second;
    private readonly List<byte[]> _toFirst = [];
    private readonly List<byte[]> _toSecond = [];
    private readonly Thread _thread;
    private volatile bool _stopping;

    public Forwarder(Host host, Endpoint first, Endpoint second)
    {
        (_first, _second) = (first, second);
        _port = host.Namespace.Run(() =>
        {
            var port = new UdpPort();
            port.Open(0);
            return port;
        });
        _thread = new Thread(Run) { IsBackground = true, Name = "forwarder" };
        _thread.Start();
    }

    public int Port => _port.Port;

    /// <summary>How often each datagram is passed on.</summary>
    public int Copies { get; set; } = 1;

    /// <summary>What was sent to the first device, oldest first.</summary>
    public byte[][] ToFirst => Copy(_toFirst);

    /// <summary>What was sent to the second device, oldest first.</summary>
    public byte[][] ToSecond => Copy(_toSecond);

    public void Dispose()
    {
        _stopping = true;
        _port.Wake();
        _thread.Join();
        _port.Dispose();
    }

    private static byte[][] Copy(List<byte[]> messages)
    {
        lock (messages)
            return [.. messages];
    }

    private void Run()
    {
        PacketBuffer[] buffers = PacketBuffer.Allocate(64);
        while (!_stopping)
        {
            _port.WaitReadable();
            int count = _port.Receive(buffers);
            for (int i = 0; i < count; i++)
            {
                bool fromFirst = buffers[i].Source.Address == _first.Address;
                (buffers[i].Destination, buffers[i].Source) = (fromFirst ? _second : _first, default);
                for (int copy = 0; copy < Copies; copy++)
                    _port.Send(buffers.AsSpan(i, 1));
                // Only now: a copy must never be there before its original.
                List<byte[]> kept = fromFirst ? _toSecond : _toFirst;
                lock (kept)
                {
                    if (kept.Count < Kept)
                        kept.Add(buffers[i].Packet.ToArray());
                }
            }
        }
    }
}
