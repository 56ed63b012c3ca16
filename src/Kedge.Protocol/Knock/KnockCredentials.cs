using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Knock;

/// <summary>
/// What a node introduces itself with: its network, its WireGuard key and its certificate. The network's identifier is a secret among its
/// members here: without it nobody gets an answer, and nobody can read one. Its keys are zeroed on disposal.
/// </summary>
public sealed class KnockCredentials : IDisposable
{
    private readonly byte[] _presharedKey = GC.AllocateArray<byte>(Blake2s.HashSize, pinned: true);
    private readonly byte[] _cookieKey = GC.AllocateArray<byte>(Blake2s.HashSize, pinned: true);
    private readonly LocalIdentity _identity;
    private readonly byte[] _certificate;

    /// <summary>Puts credentials together.</summary>
    /// <param name="networkId">The SHA-256 of the master key's SubjectPublicKeyInfo.</param>
    /// <param name="identity">The node's WireGuard key; from now on owned by this object.</param>
    /// <param name="certificate">The node's certificate, DER; copied. It should be for that key: others refuse it otherwise.</param>
    /// <exception cref="ArgumentException">
    /// The certificate is empty or has more than <see cref="NodeCertificate.MaximumSize"/> bytes.
    /// </exception>
    public KnockCredentials(Sha256Digest networkId, LocalIdentity identity, ReadOnlySpan<byte> certificate)
    {
        if (certificate.Length is 0 or > NodeCertificate.MaximumSize)
        {
            throw new ArgumentException(
                $"A certificate has 1 to {NodeCertificate.MaximumSize} bytes, not {certificate.Length}.", nameof(certificate));
        }
        (_identity, _certificate) = (identity, certificate.ToArray());
        Span<byte> network = stackalloc byte[Sha256Digest.Size];
        networkId.CopyTo(network);
        Blake2s.Hash("kedge knock psk"u8, network, _presharedKey);
        Blake2s.Hash("kedge knock cookie"u8, network, _cookieKey);
    }

    /// <summary>The node's WireGuard key.</summary>
    public PublicKey PublicKey => _identity.PublicKey;

    /// <summary>The node's certificate, DER.</summary>
    public ReadOnlySpan<byte> Certificate => _certificate;

    /// <summary>The private half of <see cref="PublicKey"/>.</summary>
    internal X25519PrivateKey Key => _identity.Key;

    /// <summary>The preshared key of the network's handshakes, 32 bytes.</summary>
    internal ReadOnlySpan<byte> PresharedKey => _presharedKey;

    /// <summary>What cookies are sealed with in the network, 32 bytes.</summary>
    internal ReadOnlySpan<byte> CookieKey => _cookieKey;

    /// <inheritdoc/>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_presharedKey);
        CryptographicOperations.ZeroMemory(_cookieKey);
        _identity.Dispose();
    }
}
