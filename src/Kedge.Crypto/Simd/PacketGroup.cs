using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Kedge.Crypto.Simd;

/// <summary>
/// A few packets of a batch that are sealed or opened together. The blocks of keystream that they need are one sequence: first block 0 of
/// each, which holds its one-time key, then the blocks of the first packet, of the second, and so on. A call of the kernel takes the next
/// ones, whosever they are, so that neither short packets nor the ends of long ones leave lanes idle.
/// </summary>
internal unsafe ref struct PacketGroup<TKernels>
    where TKernels : struct, IVectorKernels
{
    private const int BlockSize = GroupMemory.BlockSize, TagSize = ChaCha20Poly1305.TagSize;

    // A packet alone is authenticated in words where it has fewer blocks, otherwise in vectors; measured.
    private const int LeastBlocksInVectors = 16;

    private readonly Span<AeadPacket> _packets;
    private readonly uint* _key;
    private readonly GroupMemory* _memory;

    // The next block of keystream: a one-time key while there are packets without, then _offset in packet _next.
    private int _keys, _next, _offset;

    // What the last call of the kernel gave: so many one-time keys, then pieces of packets.
    private int _keysInKeystream, _pieces;

    // A bit for each packet whose tag was wrong.
    private uint _refused;

    /// <param name="packets">The packets, at most 32; all of them sound.</param>
    /// <param name="key">The key's words.</param>
    /// <param name="memory">What to work in; the caller wipes its secrets.</param>
    public PacketGroup(Span<AeadPacket> packets, uint* key, GroupMemory* memory)
    {
        _packets = packets;
        _key = key;
        _memory = memory;
        Sort();
    }

    /// <summary>Seals the packets.</summary>
    public void Seal()
    {
        while (NextKeystream())
            XorPieces();
        Authenticate(sealing: true);
        for (int i = 0; i < _packets.Length; i++)
        {
            ref AeadPacket packet = ref Packet(i);
            Tag(i).CopyTo(packet.Destination.AsSpan(packet.DestinationOffset + packet.Length, TagSize));
        }
    }

    /// <summary>Opens the packets: nothing of one is decrypted before its tag was found right.</summary>
    public void Open()
    {
        do
            NextKeystream();
        while (_keys < _packets.Length);
        Authenticate(sealing: false);
        for (int i = 0; i < _packets.Length; i++)
        {
            ref AeadPacket packet = ref Packet(i);
            ReadOnlySpan<byte> tag = packet.Source.AsSpan(packet.SourceOffset + packet.Length, TagSize);
            packet.Authentic = IsTag(i, tag);
            if (!packet.Authentic)
            {
                _refused |= 1u << i;
                packet.Destination.AsSpan(packet.DestinationOffset, packet.Length).Clear();
            }
        }
        do
            XorPieces();
        while (NextKeystream());
    }

    private readonly ref AeadPacket Packet(int position) => ref _packets[_memory->Order[position]];

    private readonly Span<byte> Tag(int position) => new(_memory->Tags + 2 * position, TagSize);

    // In constant time: both halves are compared whole, whatever the first says.
    private readonly bool IsTag(int position, ReadOnlySpan<byte> tag)
    {
        ulong low = _memory->Tags[2 * position] ^ BinaryPrimitives.ReadUInt64LittleEndian(tag);
        ulong high = _memory->Tags[2 * position + 1] ^ BinaryPrimitives.ReadUInt64LittleEndian(tag[sizeof(ulong)..]);
        return (low | high) == 0;
    }

    private readonly bool IsRefused(int position) => (_refused >> position & 1) != 0;

    // Packets of like length side by side make lanes of like length. Batches are short and mostly of one length: insertion does.
    private readonly void Sort()
    {
        byte* order = _memory->Order;
        for (int i = 0; i < _packets.Length; i++)
        {
            int place = i;
            for (; place > 0 && _packets[order[place - 1]].Length < _packets[i].Length; place--)
                order[place] = order[place - 1];
            order[place] = (byte)i;
        }
    }

    // Computes the next blocks of keystream and keeps the one-time keys among them; false where no packet needs any.
    private bool NextKeystream()
    {
        BlockNumbers* numbers = &_memory->Numbers;
        int lanes = 0, firstKey = _keys;
        for (; lanes < TKernels.Blocks && _keys < _packets.Length; _keys++)
            numbers->Set(lanes++, 1, 0, Packet(_keys).Counter);
        _keysInKeystream = lanes;
        _pieces = 0;
        while (lanes < TKernels.Blocks && _next < _packets.Length)
        {
            ref AeadPacket packet = ref Packet(_next);
            if (_offset >= packet.Length || IsRefused(_next))
            {
                (_next, _offset) = (_next + 1, 0);
                continue;
            }
            _memory->PiecePacket[_pieces] = (byte)_next;
            _memory->PieceOffset[_pieces++] = _offset;
            int blocks = Math.Min((packet.Length - _offset + BlockSize - 1) / BlockSize, TKernels.Blocks - lanes);
            numbers->Set(lanes, blocks, 1 + (uint)_offset / BlockSize, packet.Counter);
            lanes += blocks;
            _offset += blocks * BlockSize;
        }
        if (lanes == 0)
            return false;
        TKernels.Keystream(_key, numbers, lanes, _memory->Keystream);
        Unsafe.CopyBlockUnaligned(_memory->Keys + firstKey * BlockSize, _memory->Keystream, (uint)(_keysInKeystream * BlockSize));
        return true;
    }

    // Encrypts or decrypts what the keystream was computed for, but for packets that have been refused meanwhile.
    private readonly void XorPieces()
    {
        int lane = _keysInKeystream;
        for (int piece = 0; piece < _pieces; piece++)
        {
            int position = _memory->PiecePacket[piece], offset = _memory->PieceOffset[piece];
            ref AeadPacket packet = ref Packet(position);
            int length = Math.Min(packet.Length - offset, (TKernels.Blocks - lane) * BlockSize);
            if (!IsRefused(position))
            {
                fixed (byte* source = packet.Source.AsSpan(packet.SourceOffset + offset, length))
                fixed (byte* destination = packet.Destination.AsSpan(packet.DestinationOffset + offset, length))
                    TKernels.Xor(source, _memory->Keystream + lane * BlockSize, destination, length);
            }
            lane += (length + BlockSize - 1) / BlockSize;
        }
    }

    // Computes the tags of all packets. A packet has a lane for itself, or all lanes for a moment: what takes less time.
    private readonly void Authenticate(bool sealing)
    {
        for (int first = 0; first < _packets.Length; first += TKernels.Lanes)
        {
            int count = Math.Min(TKernels.Lanes, _packets.Length - first), together = TimeTogether(Packet(first).Length), alone = 0;
            for (int i = 0; i < count; i++)
                alone += TimeAlone(Packet(first + i).Length);
            if (together <= alone)
            {
                AuthenticateTogether(first, count, Poly1305Lanes.StepsOf(Packet(first).Length), sealing);
                continue;
            }
            for (int i = 0; i < count; i++)
                AuthenticateAlone(first + i, sealing);
        }
    }

    // In nanoseconds, measured; what matters is the ratio of the two.
    private static int TimeTogether(int longest) => 130 + 25 * Poly1305Lanes.StepsOf(longest);

    private static int TimeAlone(int length)
    {
        int blocks = length / Poly1305.BlockSize;
        return blocks < LeastBlocksInVectors ? 25 + 7 * blocks : 120 + 8 * blocks / TKernels.Lanes;
    }

    private readonly void AuthenticateTogether(int first, int count, int steps, bool sealing)
    {
        Poly1305Lanes* lanes = &_memory->Lanes;
        lanes->Steps = steps;

        // A kernel with fewer lanes finds its packets in the first ones. Lanes without a packet repeat the first packet.
        fixed (byte* p0 = Ciphertext(first, 0, count, sealing), p1 = Ciphertext(first, 1, count, sealing))
        fixed (byte* p2 = Ciphertext(first, 2, count, sealing), p3 = Ciphertext(first, 3, count, sealing))
        fixed (byte* p4 = Ciphertext(first, 4, count, sealing), p5 = Ciphertext(first, 5, count, sealing))
        fixed (byte* p6 = Ciphertext(first, 6, count, sealing), p7 = Ciphertext(first, 7, count, sealing))
        {
            byte** messages = stackalloc byte*[Poly1305Lanes.Most] { p0, p1, p2, p3, p4, p5, p6, p7 };
            for (int lane = 0; lane < TKernels.Lanes; lane++)
            {
                int position = lane < count ? first + lane : first;
                lanes->SetMessage(lane, messages[lane], Packet(position).Length, _memory->Keys + position * BlockSize);
            }
            TKernels.Authenticate(lanes);
        }
        for (int lane = 0; lane < count; lane++)
            TakeTag(first + lane, lane);
    }

    private readonly void AuthenticateAlone(int position, bool sealing)
    {
        ReadOnlySpan<byte> ciphertext = Ciphertext(position, 0, 1, sealing);
        byte* key = _memory->Keys + position * BlockSize;
        Poly1305Accumulator* accumulator = &_memory->Accumulator;
        *accumulator = new Poly1305Accumulator(key);
        int blocks = ciphertext.Length / Poly1305.BlockSize;
        fixed (byte* message = ciphertext)
        {
            if (blocks < LeastBlocksInVectors)
                accumulator->Absorb(message, blocks);
            else
                TKernels.Absorb(accumulator, message, blocks);
            accumulator->AbsorbEnd(message + blocks * Poly1305.BlockSize, ciphertext.Length);
        }
        accumulator->Finish(
            key + Poly1305.BlockSize, out _memory->Tags[2 * position], out _memory->Tags[2 * position + 1]);
    }

    private readonly ReadOnlySpan<byte> Ciphertext(int first, int lane, int count, bool sealing)
    {
        ref AeadPacket packet = ref Packet(lane < count ? first + lane : first);
        return sealing
            ? packet.Destination.AsSpan(packet.DestinationOffset, packet.Length)
            : packet.Source.AsSpan(packet.SourceOffset, packet.Length);
    }

    private readonly void TakeTag(int position, int lane)
    {
        _memory->Tags[2 * position] = _memory->Lanes.TagLow[lane];
        _memory->Tags[2 * position + 1] = _memory->Lanes.TagHigh[lane];
    }
}
