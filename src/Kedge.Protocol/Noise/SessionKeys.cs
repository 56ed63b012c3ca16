using System.Security.Cryptography;

namespace Kedge.Protocol.Noise;

/// <summary>The two keys that a finished handshake gives, 32 bytes each. Whoever gets one disposes it, which zeroes the keys.</summary>
internal sealed class SessionKeys : IDisposable
{
    private readonly byte[] _memory = GC.AllocateArray<byte>(64, pinned: true);

    /// <summary>What the initiator sends and the responder receives with.</summary>
    public Span<byte> Initiator => _memory.AsSpan(0, 32);

    /// <summary>What the responder sends and the initiator receives with.</summary>
    public Span<byte> Responder => _memory.AsSpan(32, 32);

    /// <summary>Zeroes the keys.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_memory);
}
