using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol.Stun;

namespace Kedge.SystemTests.Stun;

/// <summary>A STUN server on a host of a topology. Whoever started it disposes it.</summary>
internal sealed class StunPort : IDisposable
{
    private readonly UdpPort _port = new();
    private readonly Thread _thread;
    private volatile bool _stopping;
    private volatile bool _isDeaf;

    public StunPort(Host host)
    {
        host.Namespace.Run(() => _port.Open(StunServer.DefaultPort));
        _thread = new Thread(Serve) { IsBackground = true, Name = "STUN" };
        _thread.Start();
    }

    /// <summary>Whether it answers nothing.</summary>
    public bool IsDeaf
    {
        get => _isDeaf;
        set => _isDeaf = value;
    }

    public void Dispose()
    {
        _stopping = true;
        _port.Wake();
        _thread.Join();
        _port.Dispose();
    }

    private void Serve()
    {
        var server = new StunServer();
        PacketBuffer[] received = PacketBuffer.Allocate(1), reply = PacketBuffer.Allocate(1);
        while (!_stopping)
        {
            if (_port.Receive(received) == 0)
            {
                _port.WaitReadable();
                continue;
            }
            reply[0].Reset();
            reply[0].Length = StunServer.MaximumResponse;
            int length = server.Answer(BootClock.Now, received[0].Packet, received[0].Source, reply[0].Packet);
            if (length == 0 || _isDeaf)
                continue;
            (reply[0].Length, reply[0].Destination, reply[0].Source) = (length, received[0].Source, received[0].Destination);
            _port.Send(reply);
        }
    }
}
