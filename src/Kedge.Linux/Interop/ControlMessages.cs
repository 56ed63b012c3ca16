using System.Runtime.CompilerServices;

namespace Kedge.Linux.Interop;

/// <summary>Writes ancillary data of a message (cmsg(3)) one after the other into memory that is known to be large enough.</summary>
internal unsafe ref struct ControlWriter(byte* memory)
{
    /// <summary>Bytes written so far.</summary>
    public nuint Length { get; private set; }

    /// <summary>Appends one control message and returns where its value goes.</summary>
    public T* Append<T>(int level, int type) where T : unmanaged
    {
        var header = (Libc.Cmsghdr*)(memory + Length);
        header->Length = ControlMessage.HeaderLength + (nuint)sizeof(T);
        header->Level = level;
        header->Type = type;
        Length += ControlMessage.Align(header->Length);
        return (T*)((byte*)header + ControlMessage.HeaderLength);
    }
}

/// <summary>Goes through the ancillary data of a received message.</summary>
internal unsafe ref struct ControlReader(byte* memory, nuint length)
{
    private nuint _next;

    /// <summary>The current message's level and type.</summary>
    public (int Level, int Type) Kind { get; private set; }

    /// <summary>The current message's value.</summary>
    public ReadOnlySpan<byte> Value { get; private set; }

    /// <summary>Goes to the next message; false where there is none.</summary>
    public bool MoveNext()
    {
        if (_next + ControlMessage.HeaderLength > length)
            return false;
        var header = (Libc.Cmsghdr*)(memory + _next);
        if (header->Length < ControlMessage.HeaderLength || header->Length > length - _next)
            return false;
        Kind = (header->Level, header->Type);
        Value = new ReadOnlySpan<byte>((byte*)header + ControlMessage.HeaderLength, (int)(header->Length - ControlMessage.HeaderLength));
        _next += ControlMessage.Align(header->Length);
        return true;
    }
}

/// <summary>The layout that both ends of ancillary data share.</summary>
internal static unsafe class ControlMessage
{
    /// <summary>Bytes before a value.</summary>
    public static nuint HeaderLength => Align((nuint)sizeof(Libc.Cmsghdr));

    /// <summary>The length rounded up to where the next message may start.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint Align(nuint length) => (length + (nuint)sizeof(nuint) - 1) & ~((nuint)sizeof(nuint) - 1);
}
