using System.Buffers.Binary;

namespace Kedge.Protocol.Ip;

/// <summary>
/// An IPv4 (RFC 791) or IPv6 (RFC 8200) packet whose header makes sense, as a view of the bytes it was found in. Nothing is copied or
/// allocated; fields are read when asked for. The IPv4 header checksum is not verified: the kernel does that.
/// </summary>
public readonly ref struct IpPacket
{
    private const int MinimumIPv4Header = 20;
    private const int IPv6Header = 40;
    private const int IPv4ChecksumOffset = 10;

    private readonly ReadOnlySpan<byte> _bytes;

    private IpPacket(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    /// <summary>The packet, header first, without what follows it.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>4 or 6.</summary>
    public int Version => _bytes[0] >> 4;

    /// <summary>The length in bytes that the header states, header included: what follows it is padding.</summary>
    public int Length => _bytes.Length;

    /// <summary>Bytes of the header: with the options of IPv4, without the extension headers of IPv6.</summary>
    public int HeaderLength => Version == 4 ? (_bytes[0] & 0xF) * 4 : IPv6Header;

    /// <summary>Where the packet says it comes from.</summary>
    public IpAddress Source => Version == 4 ? IpAddress.FromBytes(_bytes.Slice(12, 4)) : IpAddress.FromBytes(_bytes.Slice(8, 16));

    /// <summary>Where the packet goes.</summary>
    public IpAddress Destination => Version == 4 ? IpAddress.FromBytes(_bytes.Slice(16, 4)) : IpAddress.FromBytes(_bytes.Slice(24, 16));

    /// <summary>How many more hops the packet may make: the time to live of IPv4.</summary>
    public byte HopLimit => _bytes[Version == 4 ? 8 : 7];

    /// <summary>The two ECN bits, see <see cref="Ip.Ecn"/>.</summary>
    public byte Ecn => (byte)((Version == 4 ? _bytes[1] : _bytes[1] >> 4) & Ip.Ecn.Mask);

    /// <summary>
    /// Finds the packet at the start of <paramref name="bytes"/>, which may be followed by padding. False when there is none: the
    /// version is neither 4 nor 6, the header is cut short, or it states a length that is shorter than itself or more than there is.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out IpPacket packet)
    {
        packet = default;
        if (bytes.Length < MinimumIPv4Header)
            return false;
        int length;
        switch (bytes[0] >> 4)
        {
            case 4:
                int headerLength = (bytes[0] & 0xF) * 4;
                length = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
                if (headerLength < MinimumIPv4Header || length < headerLength)
                    return false;
                break;
            case 6:
                length = IPv6Header + BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]);
                break;
            default:
                return false;
        }
        if (length > bytes.Length)
            return false;
        packet = new IpPacket(bytes[..length]);
        return true;
    }

    /// <summary>Sets the two ECN bits, and in IPv4 corrects the header checksum for it (RFC 1624).</summary>
    /// <param name="packet">A packet that <see cref="TryParse"/> accepted.</param>
    /// <param name="ecn">The new bits; others are ignored.</param>
    public static void SetEcn(Span<byte> packet, byte ecn)
    {
        ecn &= Ip.Ecn.Mask;
        if (packet[0] >> 4 == 6)
        {
            packet[1] = (byte)((packet[1] & ~(Ip.Ecn.Mask << 4)) | (ecn << 4));
            return;
        }
        ushort before = BinaryPrimitives.ReadUInt16BigEndian(packet);
        packet[1] = (byte)((packet[1] & ~Ip.Ecn.Mask) | ecn);
        ushort after = BinaryPrimitives.ReadUInt16BigEndian(packet);
        Span<byte> checksum = packet[IPv4ChecksumOffset..];
        BinaryPrimitives.WriteUInt16BigEndian(
            checksum, InternetChecksum.Update(BinaryPrimitives.ReadUInt16BigEndian(checksum), before, after));
    }
}
