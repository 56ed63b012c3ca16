using System.Text;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard;

/// <summary>
/// The text of a public key: a key has one text and no other, or a list of forbidden keys could be passed with another spelling. The first
/// byte chooses whether the rest is text or is made one.
/// </summary>
public sealed class PublicKeyTarget : Target
{
    public override string Name => "public-key";

    public override int MaximumLength => 70;

    public override int ShortRun => 60_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
        [.. new[] { "=", "==", "AAAA", "////", "A=", "E=", " ", "\n", "-_", "+/", "\u0661" }.Select(Encoding.UTF8.GetBytes)];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        bool isKey = reader.Flag();
        string text = Encoding.UTF8.GetString(reader.Rest);
        if (isKey)
        {
            Span<byte> bytes = stackalloc byte[PublicKey.Size];
            reader.Fill(bytes);
            text = Convert.ToBase64String(bytes);
            Invariant.Equal(text, PublicKey.FromBytes(bytes).ToString(), "a key is written in base64");
            Invariant.Equal(Convert.ToHexString(bytes), Convert.ToHexString(PublicKey.FromBytes(bytes).ToArray()), "a key keeps its bytes");
            // The text may still be spoilt at one place.
            if (!reader.IsEmpty)
                text = text.Remove(reader.Pick(text.Length)) + (char)reader.Byte() + text[^reader.Pick(text.Length)..];
        }
        bool accepted = PublicKey.TryParse(text, out PublicKey key);
        trace.Note(1, accepted ? 1 : 0);
        trace.Note(2, text.Length);
        Invariant.Equal(IsKey(text), accepted, "a key is accepted exactly when its text is the canonical base64 of 32 bytes");
        Invariant.Equal(accepted ? text : Convert.ToBase64String(new byte[32]), key.ToString(), "a key is written as it was read");
    }

    // 43 digits and a padding character; 256 bits need 42 digits and two thirds, so the last digit ends in two zero bits.
    private static bool IsKey(string text) =>
        text.Length == 44
        && text[43] == '='
        && text[..43].All(c => char.IsAsciiLetterOrDigit(c) || c is '+' or '/')
        && "AEIMQUYcgkosw048".Contains(text[42]);
}
