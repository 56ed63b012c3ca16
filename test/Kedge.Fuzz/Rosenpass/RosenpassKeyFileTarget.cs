using Kedge.Crypto.Kem;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Fuzz.Rosenpass;

/// <summary>
/// Files with keys: any bytes of any length are a key or none, for a reason; a pre-shared key comes back as it was written.
/// </summary>
public sealed class RosenpassKeyFileTarget : Target
{
    private readonly byte[] _secretKey = new byte[McElieceSecretKey.Size];

    public override string Name => "rosenpass-key-file";

    public override int MaximumLength => 64;

    public override int ShortRun => 20_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
        ["=\n"u8.ToArray(), "AEIMQUYcgkosw048="u8.ToArray(), Convert.FromHexString("0035"), Convert.FromHexString("2835")];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        Span<byte> key = stackalloc byte[RosenpassExchange.OutputKeySize], text = stackalloc byte[RosenpassKeyFile.Base64Size];
        key.Fill(1);
        bool isKey = RosenpassKeyFile.TryReadPresharedKey(input, key, out string reason);
        Invariant.Equal(isKey, reason.Length == 0, "there is a key, or a reason");
        trace.Note(1, isKey ? 1 : 0);
        if (isKey)
        {
            RosenpassKeyFile.WriteOutputKey(key, text);
            // The last digit has two bits that are in no byte (RFC 4648, section 3.5).
            Invariant.Holds(input.IndexOf(text[..42]) >= 0, "a key is written as it was read");
        }
        else
        {
            Invariant.Holds(!key.ContainsAnyExcept((byte)0), "no key leaves no bytes");
        }

        var reader = new Input(input);
        byte[] contents = new byte[(int)reader.Number(2)];
        reader.Fill(contents);
        bool isSecret = RosenpassKeyFile.TryReadSecretKey(contents, _secretKey, out reason);
        Invariant.Equal(isSecret, contents.Length is 13568 or 13608, "a secret key has one of two sizes");
        Invariant.Equal(isSecret, reason.Length == 0, "there is a secret key, or a reason");
        trace.Note(2, isSecret ? contents.Length : 0);
        Invariant.Holds(!RosenpassKeyFile.TryReadPublicKey(contents, out _, out reason) && reason.Length > 0, "so little is no public key");
    }
}
