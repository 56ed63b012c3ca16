using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Kedge.Demo;
using Kedge.Linux;

namespace Kedge.SystemTests.Abuse;

/// <summary>
/// Puts packets on an interface as they are, past all of the kernel's checks (packet(7)). They leave by it: a TUN's reader gets them.
/// </summary>
internal sealed class RawInterface : IDisposable
{
    private const ushort EtherTypeIPv4 = 0x0800;

    private readonly Socket _socket;
    private readonly LinkLayerAddress _address;

    public RawInterface(Host host, string name) =>
        // Made inside the namespace, it belongs there; it does nothing there but come into being.
        (_socket, _address) = host.Namespace.Run(() => (
            new Socket(AddressFamily.Packet, SocketType.Raw, (ProtocolType)0), new LinkLayerAddress(InterfaceName.ToIndex(name))));

    public void Send(byte[] packet) => _socket.SendTo(packet, _address);

    public void Dispose() => _socket.Dispose();

    /// <summary>A <c>struct sockaddr_ll</c> with no address: an interface and a protocol.</summary>
    private sealed class LinkLayerAddress(uint interfaceIndex) : EndPoint
    {
        public override AddressFamily AddressFamily => AddressFamily.Packet;

        public override SocketAddress Serialize()
        {
            var address = new SocketAddress(AddressFamily.Packet, 20);
            BinaryPrimitives.WriteUInt16BigEndian(address.Buffer.Span[2..], EtherTypeIPv4);
            BitConverter.TryWriteBytes(address.Buffer.Span[4..], interfaceIndex);
            return address;
        }
    }
}
