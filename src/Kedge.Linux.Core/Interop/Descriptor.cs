using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Kedge.Linux.Interop;

/// <summary>
/// A file descriptor that this object owns. <see cref="Number"/> is handed to system calls as it is, which costs nothing; so the owner must
/// not dispose it while another thread may be in such a call.
/// </summary>
internal sealed class Descriptor : SafeHandleMinusOneIsInvalid
{
    public Descriptor(int number) : base(ownsHandle: true) => SetHandle(number);

    /// <summary>The descriptor's number.</summary>
    public int Number => (int)handle;

    /// <summary>Takes over what a system call has opened.</summary>
    /// <exception cref="LinuxException">The result is negative: the call failed.</exception>
    public static Descriptor From(int result, string operation, string target) => new(Check(result, operation, target));

    /// <summary>Passes on a system call's result.</summary>
    /// <exception cref="LinuxException">The result is negative: the call failed.</exception>
    public static int Check(int result, string operation, string target) =>
        result >= 0 ? result : throw new LinuxException(Marshal.GetLastPInvokeError(), operation, target);

    protected override bool ReleaseHandle() => Libc.close((int)handle) == 0;
}
