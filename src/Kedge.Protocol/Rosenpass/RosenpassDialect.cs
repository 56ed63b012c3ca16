using Kedge.Crypto.Kem;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// What two ends must agree on beforehand, because nothing on the wire says it: the keyed hash, and the form of the Classic McEliece
/// ciphertext, which gives the sizes of messages. A property of the peer. Compared by reference. Immutable, for any thread.
/// </summary>
public sealed class RosenpassDialect
{
    /// <summary>Describes a dialect.</summary>
    /// <param name="name">What people call it.</param>
    /// <param name="hash">The keyed hash.</param>
    /// <param name="staticKem">The mechanism of the long-lived keys.</param>
    /// <param name="ephemeralKem">The mechanism of the key pair that each handshake makes.</param>
    /// <param name="hasCookies">Whether a responder under load may ask for a proof of the sender's address.</param>
    public RosenpassDialect(string name, KeyedHash hash, IKem staticKem, IKem ephemeralKem, bool hasCookies)
    {
        Name = name;
        Hash = hash;
        StaticKem = staticKem;
        EphemeralKem = ephemeralKem;
        HasCookies = hasCookies;
        Domains = HashDomains.Of(hash);
    }

    /// <summary>What the released versions speak, 0.2.x, and go-rosenpass: BLAKE2b, ciphertexts of 188 bytes.</summary>
    public static RosenpassDialect Released =>
        field ??= new("0.2", KeyedHash.Blake2b, Kems.McEliece460896Pc, Kems.Kyber512, hasCookies: false);

    /// <summary>What the main branch speaks unless told otherwise: BLAKE2b, ciphertexts of 156 bytes.</summary>
    public static RosenpassDialect V02 => field ??= new("V02", KeyedHash.Blake2b, Kems.McEliece460896, Kems.Kyber512, hasCookies: true);

    /// <summary>What the main branch calls protocol version V03: SHAKE256, ciphertexts of 156 bytes.</summary>
    public static RosenpassDialect V03 => field ??= new("V03", KeyedHash.Shake256, Kems.McEliece460896, Kems.Kyber512, hasCookies: true);

    /// <summary>What people call it.</summary>
    public string Name { get; }

    /// <summary>The keyed hash.</summary>
    public KeyedHash Hash { get; }

    /// <summary>The mechanism of the long-lived keys: Classic McEliece 460896.</summary>
    public IKem StaticKem { get; }

    /// <summary>The mechanism of the key pair that each handshake makes: Kyber-512.</summary>
    public IKem EphemeralKem { get; }

    /// <summary>Whether a responder under load may ask for a proof of the sender's address.</summary>
    public bool HasCookies { get; }

    /// <summary>Bytes of an <see cref="InitHello"/>, and of a <see cref="CookieReply"/>, which is padded to that.</summary>
    public int InitHelloSize => Envelope.Overhead + 4 + EphemeralKem.PublicKeySize + StaticKem.CiphertextSize + 48 + 16;

    /// <summary>Bytes of a <see cref="RespHello"/>.</summary>
    public int RespHelloSize =>
        Envelope.Overhead + 4 + 4 + EphemeralKem.CiphertextSize + StaticKem.CiphertextSize + 16 + Biscuit.CiphertextSize;

    internal HashDomains Domains { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
