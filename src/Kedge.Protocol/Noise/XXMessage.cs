using Kedge.Crypto;

namespace Kedge.Protocol.Noise;

/// <summary>How much longer the messages of XX are than their payloads, with a preshared key.</summary>
internal static class XXMessage
{
    /// <summary>Bytes of an encrypted static key.</summary>
    public const int StaticSize = X25519.KeySize + SymmetricState.TagSize;

    /// <summary>Bytes that the first message is longer than its payload: e and a tag.</summary>
    public const int FirstOverhead = X25519.KeySize + SymmetricState.TagSize;

    /// <summary>Bytes that the second message is longer than its payload: e, s and a tag.</summary>
    public const int SecondOverhead = X25519.KeySize + StaticSize + SymmetricState.TagSize;

    /// <summary>Bytes that the third message is longer than its payload: s and a tag.</summary>
    public const int ThirdOverhead = StaticSize + SymmetricState.TagSize;

    /// <summary>Mixes in what travels beside a message.</summary>
    public static void MixAssociated(SymmetricState state, ReadOnlySpan<byte> data)
    {
        if (!data.IsEmpty)
            state.MixHash(data);
    }
}
