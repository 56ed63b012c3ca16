using System.Runtime.CompilerServices;

namespace Kedge.Crypto.Simd;

/// <summary>
/// ChaCha20-Poly1305 for batches of packets, with vectors. A batch is worked on in groups of packets; see
/// <see cref="PacketGroup{TKernels}"/>. It has no state but the key.
/// </summary>
/// <param name="key">The key, 32 bytes; it stays the caller's, who keeps it while packets are sealed and opened.</param>
internal sealed unsafe class VectorAead<TKernels>(byte[] key) : IPacketAead
    where TKernels : struct, IVectorKernels
{
    // What a group reads and writes stays in the second-level cache between encryption and authentication.
    private const int MostBytes = 1 << 17;

    public void Seal(Span<AeadPacket> packets) => Process(packets, sealing: true);

    public void Open(Span<AeadPacket> packets) => Process(packets, sealing: false);

    /// <summary>Does nothing: no copy of the key is kept.</summary>
    public void Dispose()
    {
    }

    [SkipLocalsInit]
    private void Process(Span<AeadPacket> packets, bool sealing)
    {
        byte* room = stackalloc byte[sizeof(GroupMemory) + GroupMemory.Alignment - 1];
        var memory = (GroupMemory*)((nuint)(room + GroupMemory.Alignment - 1) & ~((nuint)GroupMemory.Alignment - 1));
        int mostPackets = 0;
        fixed (byte* k = key)
        {
            while (!packets.IsEmpty)
            {
                int length = GroupLength(packets, sealing);
                if (length == 0)
                    break;
                var group = new PacketGroup<TKernels>(packets[..length], (uint*)k, memory);
                if (sealing)
                    group.Seal();
                else
                    group.Open();
                mostPackets = Math.Max(mostPackets, length);
                packets = packets[length..];
            }
        }
        GroupMemory.Wipe(memory, mostPackets);
        if (!packets.IsEmpty)
            packets[0].RequireSound(sealing);
    }

    // How many packets the next group has: those in front of the first that is not sound, within what a group can hold.
    private static int GroupLength(ReadOnlySpan<AeadPacket> packets, bool sealing)
    {
        int most = Math.Min(packets.Length, GroupMemory.MostPackets), length = 0;
        for (long bytes = 0; length < most && bytes < MostBytes && packets[length].IsSound(sealing); length++)
            bytes += packets[length].Length;
        return length;
    }
}
