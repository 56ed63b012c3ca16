using System.Runtime.InteropServices;

namespace Kedge.Linux.Quic;

/// <summary>
/// Buffers of 64 KiB outside the collected heap, for bytes that are on their way. A stream without any has none, so that thousands of quiet
/// connections cost next to nothing. Owned by one thread.
/// </summary>
internal sealed unsafe class ChunkPool : IDisposable
{
    /// <summary>Bytes of each.</summary>
    public const int ChunkLength = 64 << 10;

    private const int MostKept = 256;

    private readonly Stack<nint> _free = new(MostKept);

    /// <summary>A buffer whose contents are undefined; given back by <see cref="Return"/>.</summary>
    public byte* Rent() => (byte*)(_free.TryPop(out nint chunk) ? chunk : (nint)NativeMemory.Alloc(ChunkLength));

    /// <summary>Takes a buffer back.</summary>
    public void Return(byte* chunk)
    {
        if (_free.Count < MostKept)
            _free.Push((nint)chunk);
        else
            NativeMemory.Free(chunk);
    }

    public void Dispose()
    {
        while (_free.TryPop(out nint chunk))
            NativeMemory.Free((void*)chunk);
    }
}
