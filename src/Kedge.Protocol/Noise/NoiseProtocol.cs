using Kedge.Crypto;

namespace Kedge.Protocol.Noise;

/// <summary>
/// A Noise protocol with BLAKE2s, and the prologue that both ends agree on beforehand: what every handshake of theirs begins with (Noise
/// specification, revision 34, sections 5.2 and 5.3). Immutable; any thread.
/// </summary>
internal sealed class NoiseProtocol
{
    private readonly byte[] _chainingKey = new byte[Blake2s.HashSize];
    private readonly byte[] _hash = new byte[Blake2s.HashSize];

    /// <summary>Computes the beginning of the protocol's handshakes.</summary>
    /// <param name="name">The protocol's name, ASCII.</param>
    /// <param name="prologue">The prologue; may be empty.</param>
    public NoiseProtocol(ReadOnlySpan<byte> name, ReadOnlySpan<byte> prologue)
    {
        if (name.Length <= Blake2s.HashSize)
            name.CopyTo(_chainingKey);
        else
            Blake2s.Hash(name, _chainingKey);
        Blake2s.Hash(_chainingKey, prologue, _hash);
    }

    /// <summary>The chaining key at the beginning, 32 bytes.</summary>
    public ReadOnlySpan<byte> ChainingKey => _chainingKey;

    /// <summary>The hash at the beginning, the prologue mixed in, 32 bytes.</summary>
    public ReadOnlySpan<byte> Hash => _hash;
}
