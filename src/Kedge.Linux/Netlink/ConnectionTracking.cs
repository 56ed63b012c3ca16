using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Linux.Namespaces;

namespace Kedge.Linux.Netlink;

/// <summary>The connections that the packet filter of a network namespace keeps track of, and with them the mappings of its NAT.</summary>
public static unsafe class ConnectionTracking
{
    private const int NETLINK_NETFILTER = 12;
    private const ushort DeleteConnections = 1 << 8 | 2; // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
    private const int HeaderSize = 4; // struct nfgenmsg
    private const int BufferLength = 4096;

    /// <summary>Forgets all connections of both families, as a NAT that is switched off and on again does. Any thread.</summary>
    /// <param name="network">The namespace whose connections they are.</param>
    /// <exception cref="LinuxException">The kernel refused, or the namespace does not exist.</exception>
    public static void Flush(NetworkNamespace network)
    {
        ArgumentNullException.ThrowIfNull(network);
        network.Run(FlushHere);
    }

    private static void FlushHere()
    {
        const string Operation = "flush", Target = "connection tracking";
        const int Type = Libc.SOCK_RAW | Libc.SOCK_CLOEXEC;
        using Descriptor socket = Descriptor.From(Libc.socket(Libc.AF_NETLINK, Type, NETLINK_NETFILTER), "create", "netlink socket");
        // All zero: every family, and no connection in particular.
        ReadOnlySpan<byte> request = new NetlinkRequest(DeleteConnections, 0, HeaderSize).Finish(sequence: 1, isAcknowledged: true);
        fixed (byte* start = request)
        {
            if (Libc.send(socket.Number, start, (nuint)request.Length, 0) < 0)
                throw new LinuxException(Marshal.GetLastPInvokeError(), Operation, Target);
        }
        byte* buffer = stackalloc byte[BufferLength];
        Libc.SockaddrNl sender;
        uint senderLength = (uint)sizeof(Libc.SockaddrNl);
        nint length = Libc.recvfrom(socket.Number, buffer, BufferLength, 0, &sender, &senderLength);
        if (length < 0)
            throw new LinuxException(Marshal.GetLastPInvokeError(), Operation, Target);
        ReadOnlySpan<byte> answer = new(buffer, (int)length);
        if (NetlinkMessage.TryTake(ref answer, out NetlinkMessage message)
            && message.Type == Rtnetlink.NLMSG_ERROR
            && MemoryMarshal.Read<int>(message.Body) is var error and not 0)
        {
            throw new LinuxException(-error, Operation, Target);
        }
    }
}
