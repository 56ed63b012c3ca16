using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Kedge.Crypto;

/// <summary>Turns failures of libcrypto that no input can cause (no memory, a broken installation) into exceptions.</summary>
internal static unsafe class LibcryptoError
{
    private const int TextSize = 256;

    /// <summary>Throws unless <paramref name="result"/> is 1, libcrypto's word for success.</summary>
    /// <param name="result">What the call returned.</param>
    /// <param name="call">The call as it stands in the source; filled in by the compiler.</param>
    /// <exception cref="CryptographicException">The call failed; the message names it and libcrypto's reason.</exception>
    public static void ThrowUnlessOne(int result, [CallerArgumentExpression(nameof(result))] string call = "")
    {
        if (result != 1)
            Throw(call);
    }

    /// <summary>Throws where <paramref name="handle"/> is null; returns it otherwise.</summary>
    /// <inheritdoc cref="ThrowUnlessOne"/>
    public static nint ThrowIfNull(nint handle, [CallerArgumentExpression(nameof(handle))] string call = "")
    {
        if (handle == 0)
            Throw(call);
        return handle;
    }

    /// <summary>The latest error that libcrypto has queued for this thread, as text; the queue is empty afterwards.</summary>
    public static string TakeText()
    {
        ulong error = Libcrypto.ERR_peek_last_error();
        if (error == 0)
            return "no reason given";
        byte* text = stackalloc byte[TextSize];
        Libcrypto.ERR_error_string_n(error, text, TextSize);
        Libcrypto.ERR_clear_error();
        return Marshal.PtrToStringUTF8((nint)text)!;
    }

    [DoesNotReturn]
    private static void Throw(string call)
    {
        int start = call.IndexOf('.', StringComparison.Ordinal) + 1, end = call.IndexOf('(', StringComparison.Ordinal);
        throw new CryptographicException($"{Libcrypto.FileName}: {call[start..end]} failed: {TakeText()}");
    }
}
