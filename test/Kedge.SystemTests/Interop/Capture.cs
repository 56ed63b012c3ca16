using System.Buffers.Binary;
using Kedge.Demo;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Interop;

/// <summary>What tcpdump(8) sees on an interface, read from its file as it grows. Whoever started it disposes it.</summary>
internal sealed class Capture : IDisposable
{
    private const int FileHeaderSize = 24, RecordHeaderSize = 16;
    private const uint LittleEndianMicroseconds = 0xa1b2c3d4;
    private const uint Ethernet = 1, RawIp = 101;

    private static int _lastNumber;

    private readonly RunningProcess _tcpdump;
    private readonly string _path;

    private Capture(RunningProcess tcpdump, string path) => (_tcpdump, _path) = (tcpdump, path);

    /// <summary>All packets so far, in their order.</summary>
    public IReadOnlyList<CapturedPacket> Packets => Read(File.ReadAllBytes(_path));

    /// <summary>Starts to capture, and returns when nothing is missed any more.</summary>
    /// <param name="host">Where.</param>
    /// <param name="interfaceName">On which interface.</param>
    /// <param name="filter">What, in the language of pcap-filter(7).</param>
    public static Capture Start(Host host, string interfaceName, string filter)
    {
        string path = Path.Combine(host.Topology.TempFolder, $"{host}.{interfaceName}.{Interlocked.Increment(ref _lastNumber)}.pcap");
        RunningProcess tcpdump = host.Start(
            "tcpdump", "-n", "-p", "-U", "--immediate-mode", "-Z", "root", "-i", interfaceName, "-w", path, filter);
        tcpdump.WaitForLine("listening on", Timeouts.Soon);
        return new(tcpdump, path);
    }

    /// <summary>Waits until the packets so far fulfil a condition.</summary>
    /// <exception cref="TimeoutException">They did not.</exception>
    public void WaitUntil(Func<IReadOnlyList<CapturedPacket>, bool> condition, TimeSpan timeout, string what) =>
        Wait.Until(() => condition(Packets), timeout, what);

    public void Dispose() => _tcpdump.Dispose();

    // The format: draft-ietf-opsawg-pcap.
    private static List<CapturedPacket> Read(ReadOnlySpan<byte> file)
    {
        List<CapturedPacket> packets = [];
        if (file.Length < FileHeaderSize)
            return packets;
        Assert.Equal(LittleEndianMicroseconds, BinaryPrimitives.ReadUInt32LittleEndian(file));
        uint linkType = BinaryPrimitives.ReadUInt32LittleEndian(file[20..]);
        Assert.True(linkType is Ethernet or RawIp, $"link type {linkType}");
        int linkHeader = linkType == Ethernet ? 14 : 0;
        file = file[FileHeaderSize..];
        while (file.Length >= RecordHeaderSize)
        {
            uint seconds = BinaryPrimitives.ReadUInt32LittleEndian(file);
            uint microseconds = BinaryPrimitives.ReadUInt32LittleEndian(file[4..]);
            int length = BinaryPrimitives.ReadInt32LittleEndian(file[8..]);
            if (file.Length < RecordHeaderSize + length)
                break; // being written
            ReadOnlySpan<byte> packet = file.Slice(RecordHeaderSize + linkHeader, length - linkHeader);
            packets.Add(new(TimeSpan.FromSeconds(seconds) + TimeSpan.FromMicroseconds(microseconds), packet.ToArray()));
            file = file[(RecordHeaderSize + length)..];
        }
        return packets;
    }
}

/// <summary>A whole IP packet on an interface.</summary>
/// <param name="Time">When, since 1970.</param>
/// <param name="Bytes">The packet from its IP header on.</param>
internal sealed record CapturedPacket(TimeSpan Time, byte[] Bytes)
{
    private const int UdpHeaderSize = 8;

    public bool IsIPv6 => Bytes[0] >> 4 == 6;

    public IpAddress Source => IpAddress.FromBytes(IsIPv6 ? Bytes.AsSpan(8, 16) : Bytes.AsSpan(12, 4));

    public IpAddress Destination => IpAddress.FromBytes(IsIPv6 ? Bytes.AsSpan(24, 16) : Bytes.AsSpan(16, 4));

    /// <summary>The two ECN bits of the IP header.</summary>
    public int Ecn => (IsIPv6 ? Bytes[1] >> 4 : Bytes[1]) & 3;

    /// <summary>What follows the IP header, which has no extensions.</summary>
    public ReadOnlySpan<byte> Transport => Bytes.AsSpan(IsIPv6 ? 40 : (Bytes[0] & 15) * 4);

    public int SourcePort => BinaryPrimitives.ReadUInt16BigEndian(Transport);

    public int DestinationPort => BinaryPrimitives.ReadUInt16BigEndian(Transport[2..]);

    /// <summary>What follows the UDP header.</summary>
    public ReadOnlySpan<byte> Datagram => Transport[UdpHeaderSize..];

    /// <summary>1 initiation, 2 response, 3 cookie reply, 4 transport data.</summary>
    public int MessageType => Datagram[0];

    /// <summary>Whether this is transport data with nothing inside: a header and a tag.</summary>
    public bool IsKeepalive => MessageType == 4 && Datagram.Length == 32;

    /// <summary>Whether an initiation shows a cookie: its second MAC, the last 16 bytes, is not zero.</summary>
    public bool HasMac2 => Datagram[^16..].ContainsAnyExcept((byte)0);

    /// <summary>The receiver's index of transport data, which tells sessions apart.</summary>
    public uint ReceiverIndex => BinaryPrimitives.ReadUInt32LittleEndian(Datagram[4..]);

    /// <summary>The number of an echo request or reply.</summary>
    public int EchoSequence => BinaryPrimitives.ReadUInt16BigEndian(Transport[6..]);

    /// <summary>Whether it comes from this end.</summary>
    public bool IsFrom(TunnelEnd end) => Source == IpAddress.Parse(end.Underlay);
}
