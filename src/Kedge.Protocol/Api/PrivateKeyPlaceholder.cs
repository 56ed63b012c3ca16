using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Api;

/// <summary>
/// What stands for the private key in a stock WireGuard peer's file, because the controller does not have that key. It is no key, so that
/// <c>wg</c> refuses the file as long as nobody has filled it in, and it says which key is meant.
/// </summary>
public static class PrivateKeyPlaceholder
{
    private const string Before = "<put the private key of ", After = " here>", HintBefore = "# 'kedge node show ";

    /// <summary>The words for the private key that belongs to a public one.</summary>
    public static string Of(PublicKey key) => $"{Before}{key}{After}";

    /// <summary>The comment above it, which says how it is filled in.</summary>
    /// <param name="node">The node's name.</param>
    public static string HintFor(string node) => $"{HintBefore}{node} --wg-config --private-key-file FILE' fills it in.";

    /// <summary>Whether a line is that comment, which has done its duty once the key is there.</summary>
    public static bool IsHint(ReadOnlySpan<char> line) => line.StartsWith(HintBefore, StringComparison.Ordinal);

    /// <summary>Reads the public key out of the words; false where they are others.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out PublicKey key)
    {
        key = default;
        return text.StartsWith(Before, StringComparison.Ordinal)
            && text.EndsWith(After, StringComparison.Ordinal)
            && text.Length >= Before.Length + After.Length
            && PublicKey.TryParse(text[Before.Length..^After.Length], out key);
    }
}
