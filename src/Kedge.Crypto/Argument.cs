using System.Runtime.CompilerServices;

namespace Kedge.Crypto;

/// <summary>Checks of arguments whose length a specification fixes.</summary>
internal static class Argument
{
    /// <summary>Throws unless <paramref name="value"/> has exactly <paramref name="length"/> bytes.</summary>
    public static void RequireLength(ReadOnlySpan<byte> value, int length, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        if (value.Length != length)
            throw new ArgumentException($"{name} has {value.Length} bytes and must have {length}.", name);
    }

    /// <summary>Throws unless <paramref name="value"/> has between 1 and <paramref name="maximum"/> bytes.</summary>
    public static void RequireLengthUpTo(ReadOnlySpan<byte> value, int maximum, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        if (value.IsEmpty || value.Length > maximum)
            throw new ArgumentException($"{name} has {value.Length} bytes and must have 1 to {maximum}.", name);
    }
}
