using System.Runtime.InteropServices;

namespace Kedge.Linux.Processes;

/// <summary>A library of the machine that is loaded by name.</summary>
public static unsafe class SharedLibrary
{
    /// <summary>Asks a library for its version.</summary>
    /// <param name="fileName">The library's file, such as <c>libsqlite3.so.0</c>.</param>
    /// <param name="function">The function that returns the version: without arguments, a string that the library keeps.</param>
    /// <returns>The version; null if the library is not installed or has no such function.</returns>
    public static string? Version(string fileName, string function)
    {
        if (!NativeLibrary.TryLoad(fileName, out nint library))
            return null;
        try
        {
            return NativeLibrary.TryGetExport(library, function, out nint address)
                ? Marshal.PtrToStringUTF8((nint)((delegate* unmanaged<byte*>)address)())
                : null;
        }
        finally
        {
            NativeLibrary.Free(library);
        }
    }
}
