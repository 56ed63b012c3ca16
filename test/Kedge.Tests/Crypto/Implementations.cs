using Kedge.Crypto;

namespace Kedge.Tests.Crypto;

/// <summary>The implementations of packets' encryption that this CPU can run.</summary>
internal static class Implementations
{
    /// <summary>Their names.</summary>
    public static IEnumerable<TheoryDataRow<string>> Supported() => AeadImplementation.All
        .Where(implementation => implementation.IsSupported)
        .Select(implementation => new TheoryDataRow<string>(implementation.Name));

    /// <summary>A cipher of the one of that name.</summary>
    public static ChaCha20Poly1305 Cipher(string name, ReadOnlySpan<byte> key) =>
        new(key, AeadImplementation.All.Single(implementation => implementation.Name == name));
}
