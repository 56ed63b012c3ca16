using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Kedge.Crypto.Kem;

/// <summary>Native memory for secret intermediates: zeros at first, zeroed and freed by <see cref="Dispose"/>.</summary>
internal unsafe ref struct SecretMemory
{
    // A cache line, and the widest vector.
    private const int Alignment = 64;

    private readonly byte* _start;
    private readonly int _size;
    private int _taken;

    /// <summary>Allocates memory.</summary>
    /// <param name="size">Bytes, the sum of what will be taken, each rounded up to a multiple of 64.</param>
    public SecretMemory(int size)
    {
        _size = size;
        _start = (byte*)NativeMemory.AlignedAlloc((nuint)size, Alignment);
        new Span<byte>(_start, size).Clear();
    }

    /// <summary>The next so many elements, aligned to 64 bytes. Not to be used after <see cref="Dispose"/>.</summary>
    /// <exception cref="InvalidOperationException">That much is not left.</exception>
    public T* Take<T>(int count)
        where T : unmanaged
    {
        byte* taken = _start + _taken;
        _taken += (checked(count * sizeof(T)) + Alignment - 1) & -Alignment;
        if (_taken > _size)
            throw new InvalidOperationException($"{_taken} bytes of secret memory are needed and {_size} allocated.");
        return (T*)taken;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public readonly void Dispose()
    {
        CryptographicOperations.ZeroMemory(new Span<byte>(_start, _size));
        NativeMemory.AlignedFree(_start);
    }
}
