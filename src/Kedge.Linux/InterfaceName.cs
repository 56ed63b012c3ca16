using System.Runtime.InteropServices;
using System.Text;
using Kedge.Linux.Interop;

namespace Kedge.Linux;

/// <summary>Names of network interfaces, and what the kernel of the calling thread's network namespace knows by them.</summary>
public static unsafe class InterfaceName
{
    /// <summary>Bytes of the longest name.</summary>
    public const int MaximumLength = Libc.IFNAMSIZ - 1;

    /// <summary>Why no interface can have this name: a sentence that says what would be right; null when one can.</summary>
    public static string? Error(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        int length = Encoding.UTF8.GetByteCount(name);
        if (length is 0 or > MaximumLength)
            return $"'{name}' cannot be an interface's name: it has {length} bytes, and 1 to {MaximumLength} are allowed.";
        if (name is "." or "..")
            return $"'{name}' cannot be an interface's name.";
        foreach (char c in name)
        {
            if (c is '/' or ':' || char.IsWhiteSpace(c) || char.IsControl(c))
                return $"'{name}' cannot be an interface's name: '/', ':', blanks and control characters are not allowed.";
        }
        return null;
    }

    /// <summary>The index of the interface that has this name now.</summary>
    /// <exception cref="LinuxException">There is none (ENODEV).</exception>
    public static uint ToIndex(string name) => Libc.if_nametoindex(name) is var index and not 0
        ? index
        : throw new LinuxException(Marshal.GetLastPInvokeError(), "find interface", name);

    /// <summary>The name that the interface of this index has now; null where there is none.</summary>
    public static string? FromIndex(uint index)
    {
        byte* name = stackalloc byte[Libc.IFNAMSIZ];
        return Libc.if_indextoname(index, name) is null ? null : Marshal.PtrToStringUTF8((nint)name);
    }

    internal static Libc.Ifreq ToRequest(string name)
    {
        Libc.Ifreq request = default;
        Encoding.UTF8.GetBytes(name, new Span<byte>(request.Name, MaximumLength));
        return request;
    }

    internal static string FromRequest(Libc.Ifreq request) => Marshal.PtrToStringUTF8((nint)request.Name)!;

    /// <summary>Reads an integer about an interface (<c>SIOCGIF…</c>).</summary>
    internal static int Get(nuint command, string operation, string name)
    {
        Libc.Ifreq request = ToRequest(name);
        Control(command, operation, name, &request);
        return request.Value;
    }

    /// <summary>Sets an integer of an interface (<c>SIOCSIF…</c>).</summary>
    internal static void Set(nuint command, string operation, string name, int value)
    {
        Libc.Ifreq request = ToRequest(name);
        request.Value = value;
        Control(command, operation, name, &request);
    }

    private static void Control(nuint command, string operation, string name, Libc.Ifreq* request)
    {
        using Descriptor socket = Descriptor.From(Libc.socket(Libc.AF_UNIX, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0), "create", "socket");
        _ = Descriptor.Check(Libc.ioctl(socket.Number, command, request), operation, name);
    }
}
