using System.Text.Json;
using Kedge.Crypto.Kem;
using Kedge.Protocol.Rosenpass;
using Kedge.Tests.Crypto.Kem;

namespace Kedge.Tests.Rosenpass;

/// <summary>
/// A recorded handshake, with all that was random in it, between holders of the keys that the mechanisms' own vectors have.
/// </summary>
internal sealed class Transcript
{
    private readonly JsonElement _values;

    public Transcript(string profile)
    {
        _values = JsonDocument.Parse(Resource($"handshake-{profile}.json")).RootElement;
        bool confirms = profile.EndsWith("188", StringComparison.Ordinal);
        string mechanism = confirms ? "mceliece460896pc" : "mceliece460896";
        (InitiatorKey, ResponderKey) = (PublishedKeys.PublicKey(mechanism, 0), PublishedKeys.PublicKey(mechanism, 1));
        KeyedHash hash = profile.StartsWith("blake2b", StringComparison.Ordinal) ? KeyedHash.Blake2b : KeyedHash.Shake256;
        Dialect = new RosenpassDialect(profile, hash, new RecordedStaticKem(this), new RecordedEphemeralKem(this), hasCookies: false);
    }

    /// <summary>The initiator's static public key.</summary>
    public byte[] InitiatorKey { get; }

    /// <summary>The responder's static public key.</summary>
    public byte[] ResponderKey { get; }

    /// <summary>The dialect, with mechanisms that do again what was recorded.</summary>
    public RosenpassDialect Dialect { get; }

    /// <summary>A recorded value.</summary>
    public byte[] this[string name] => Convert.FromHexString(_values.GetProperty(name).GetString()!);

    private static Stream Resource(string name) =>
        typeof(Transcript).Assembly.GetManifestResourceStream($"Rosenpass.{name}") ?? throw new InvalidOperationException($"There is no {name}.");

    private sealed class RecordedStaticKem(Transcript transcript) : IKem
    {
        public string Name => "recorded";
        public int PublicKeySize => 524160;
        public int SecretKeySize => 1;
        public int CiphertextSize => transcript["sctr"].Length;
        public int SharedSecretSize => 32;

        public void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey) => throw new NotSupportedException();

        public void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret)
        {
            string name = publicKey.SequenceEqual(transcript.ResponderKey) ? "sctr" : "scti";
            transcript[name].CopyTo(ciphertext);
            transcript[$"{name}_ss"].CopyTo(sharedSecret);
        }

        public void Decapsulate(ReadOnlySpan<byte> secretKey, ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret)
        {
            string name = secretKey[0] == 'r' ? "sctr" : "scti";
            Assert.Equal(transcript[name], ciphertext.ToArray());
            transcript[$"{name}_ss"].CopyTo(sharedSecret);
        }
    }

    private sealed class RecordedEphemeralKem(Transcript transcript) : IKem
    {
        public string Name => "recorded";
        public int PublicKeySize => 800;
        public int SecretKeySize => 1632;
        public int CiphertextSize => 768;
        public int SharedSecretSize => 32;

        // The vectors have the key pair elsewhere; the message shows its public half.
        public void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey) => transcript["InitHello"].AsSpan(8, 800).CopyTo(publicKey);

        public void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret)
        {
            Assert.Equal(transcript["InitHello"].AsSpan(8, 800).ToArray(), publicKey.ToArray());
            transcript["ecti"].CopyTo(ciphertext);
            transcript["ecti_ss"].CopyTo(sharedSecret);
        }

        public void Decapsulate(ReadOnlySpan<byte> secretKey, ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret)
        {
            Assert.Equal(transcript["ecti"], ciphertext.ToArray());
            transcript["ecti_ss"].CopyTo(sharedSecret);
        }
    }
}
