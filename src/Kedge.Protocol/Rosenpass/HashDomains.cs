using System.Text;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// The tree of hash domains: each node is the hash of its label under its parent, from 32 zero bytes at the root, so that no hash
/// of one purpose can stand for one of another. Constants of the protocol, 32 bytes each; immutable, for any thread.
/// </summary>
internal sealed class HashDomains
{
    private static readonly HashDomains Blake2b = new(KeyedHash.Blake2b, "BLAKE2s"u8); // the label says s, the hash is b
    private static readonly HashDomains Shake256 = new(KeyedHash.Shake256, "SHAKE256"u8);

    private readonly byte[] _user;

    private HashDomains(KeyedHash hash, ReadOnlySpan<byte> nameInLabel)
    {
        Hash = hash;
        byte[] protocol = Child(new byte[KeyedHashes.Size], [.. "Rosenpass v1 mceliece460896 Kyber512 ChaChaPoly1305 "u8, .. nameInLabel]);
        Mac = Child(protocol, "mac"u8);
        Cookie = Child(protocol, "cookie"u8);
        CookieValue = Child(protocol, "cookie-value"u8);
        CookieKey = Child(protocol, "cookie-key"u8);
        PeerId = Child(protocol, "peer id"u8);
        BiscuitAdditionalData = Child(protocol, "biscuit additional data"u8);
        ChainingKeyInit = Child(protocol, "chaining key init"u8);
        byte[] extract = Child(protocol, "chaining key extract"u8);
        Mix = Child(extract, "mix"u8);
        HandshakeEncryption = Child(extract, "handshake encryption"u8);
        InitiatorHandshakeEncryption = Child(extract, "initiator handshake encryption"u8);
        ResponderHandshakeEncryption = Child(extract, "responder handshake encryption"u8);
        _user = Child(extract, "user"u8);
        WireGuardPsk = OutputKey(["rosenpass.eu", "wireguard psk"]);
    }

    /// <summary>The hash of this tree.</summary>
    public KeyedHash Hash { get; }

    /// <summary>"mac".</summary>
    public byte[] Mac { get; }

    /// <summary>"cookie".</summary>
    public byte[] Cookie { get; }

    /// <summary>"cookie-value".</summary>
    public byte[] CookieValue { get; }

    /// <summary>"cookie-key".</summary>
    public byte[] CookieKey { get; }

    /// <summary>"peer id".</summary>
    public byte[] PeerId { get; }

    /// <summary>"biscuit additional data".</summary>
    public byte[] BiscuitAdditionalData { get; }

    /// <summary>"chaining key init".</summary>
    public byte[] ChainingKeyInit { get; }

    /// <summary>"chaining key extract", "mix".</summary>
    public byte[] Mix { get; }

    /// <summary>"chaining key extract", "handshake encryption".</summary>
    public byte[] HandshakeEncryption { get; }

    /// <summary>"chaining key extract", "initiator handshake encryption".</summary>
    public byte[] InitiatorHandshakeEncryption { get; }

    /// <summary>"chaining key extract", "responder handshake encryption".</summary>
    public byte[] ResponderHandshakeEncryption { get; }

    /// <summary>The output key's own: "chaining key extract", "user", "rosenpass.eu", "wireguard psk".</summary>
    public byte[] WireGuardPsk { get; }

    /// <summary>The tree of a hash.</summary>
    public static HashDomains Of(KeyedHash hash) => hash == KeyedHash.Blake2b ? Blake2b : Shake256;

    /// <summary>The domain of output keys that serve another purpose than WireGuard's PSK.</summary>
    /// <param name="labels">Whose purpose it is, by a domain name, then what for; each is a step further down.</param>
    public byte[] OutputKey(IEnumerable<string> labels)
    {
        byte[] domain = _user;
        foreach (string label in labels)
            domain = Child(domain, Encoding.UTF8.GetBytes(label));
        return domain;
    }

    private byte[] Child(ReadOnlySpan<byte> parent, ReadOnlySpan<byte> label)
    {
        var node = new byte[KeyedHashes.Size];
        Hash.Compute(parent, label, node);
        return node;
    }
}
