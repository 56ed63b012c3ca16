using System.Security.Cryptography;
using Kedge.Crypto.Kem;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Node.Connecting;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Node.KeyExchange;

/// <summary>Reads and writes the files that a configuration names.</summary>
public static class KeyExchangeFiles
{
    /// <summary>Reads everything that a configuration names. Peers of WireGuard are set by <c>wg set</c>.</summary>
    /// <inheritdoc cref="Load(RosenpassConfiguration, IReadOnlyList{IWireGuardPeer})" path="/exception"/>
    public static KeyExchangeSettings Load(RosenpassConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return Load(configuration, [.. configuration.Peers.Select(peer => peer.WireGuard is { } output ? new WgToolPeer(output) : null)]);
    }

    /// <summary>Reads everything that a configuration names.</summary>
    /// <param name="configuration">The configuration; what it says of WireGuard does not matter.</param>
    /// <param name="wireGuard">The peers of WireGuard, one for each peer and in their order; null for none.</param>
    /// <exception cref="UserError">
    /// A file is missing or is not what it should be, two peers are the same, or an interface to listen at is not there.
    /// </exception>
    public static KeyExchangeSettings Load(RosenpassConfiguration configuration, IReadOnlyList<IWireGuardPeer?> wireGuard)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        if (configuration.PublicKey is not { } publicKey || configuration.SecretKey is not { } secretKey)
            throw new UserError(
                "There is no own key pair. Name its files with public_key and secret_key; 'kedge rosenpass gen-keys' makes them.");
        Endpoint[] listen = [.. configuration.Listen.Select(name => name.ResolveLocal())];
        StaticKeyPair keys = ReadKeyPair(publicKey, secretKey);
        var peers = new List<KeyExchangePeer>();
        var pathOf = new Dictionary<PeerId, string>();
        try
        {
            foreach ((RosenpassPeerConfiguration peer, IWireGuardPeer? output) in configuration.Peers.Zip(wireGuard))
            {
                peers.Add(Load(peer, output));
                PeerId id = peers[^1].Id;
                if (id == keys.PublicKey.IdUnder(peers[^1].Settings.Dialect.Hash))
                    throw new UserError($"{peer.PublicKey} is this end's own public key; a peer needs its own.");
                if (!pathOf.TryAdd(id, peer.PublicKey))
                    throw new UserError($"{peer.PublicKey} has the same key as {pathOf[id]}; each peer needs its own.");
            }
        }
        catch
        {
            keys.Dispose();
            throw;
        }
        return new KeyExchangeSettings(keys, listen, peers);
    }

    /// <summary>Reads a key pair, which the caller disposes.</summary>
    /// <exception cref="UserError">A file is missing or is no key, or the keys do not belong together.</exception>
    public static StaticKeyPair ReadKeyPair(string publicKeyPath, string secretKeyPath)
    {
        StaticPublicKey publicKey = ReadPublicKey(publicKeyPath);
        byte[] contents = Read(secretKeyPath, "secret key", "'kedge rosenpass gen-keys' makes it");
        byte[] secretKey = GC.AllocateArray<byte>(McElieceSecretKey.Size, pinned: true);
        try
        {
            if (!RosenpassKeyFile.TryReadSecretKey(contents, secretKey, out string reason))
                throw new UserError($"The file {secretKeyPath} is no secret key of Rosenpass: {reason}.");
            var pair = new StaticKeyPair(publicKey, secretKey);
            if (RosenpassKeyFile.IsPair(pair))
                return pair;
            pair.Dispose();
            throw new UserError(
                $"The keys in {publicKeyPath} and {secretKeyPath} do not belong together; name two files that were made at once.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(contents);
            CryptographicOperations.ZeroMemory(secretKey);
        }
    }

    /// <summary>Makes a new key pair and writes its files, in place of those that are there. Only their owner can read them.</summary>
    /// <param name="publicKeyPath">Where the public key goes.</param>
    /// <param name="secretKeyPath">Where the secret key goes.</param>
    /// <param name="isShort">Whether the secret key gets the layout of releases 0.2.x, and not the specification's.</param>
    /// <exception cref="UserError">A file cannot be written.</exception>
    public static void WriteNewKeyPair(string publicKeyPath, string secretKeyPath, bool isShort)
    {
        IKem kem = Kems.McEliece460896;
        byte[] publicKey = new byte[kem.PublicKeySize];
        byte[] secretKey = GC.AllocateArray<byte>(McElieceSecretKey.Size, pinned: true);
        byte[] shortKey = GC.AllocateArray<byte>(McElieceSecretKey.ShortSize, pinned: true);
        try
        {
            kem.GenerateKeyPair(publicKey, secretKey);
            McElieceSecretKey.ToShort(secretKey, shortKey);
            Write(secretKeyPath, isShort ? shortKey : secretKey);
            Write(publicKeyPath, publicKey);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secretKey);
            CryptographicOperations.ZeroMemory(shortKey);
        }
    }

    private static KeyExchangePeer Load(RosenpassPeerConfiguration peer, IWireGuardPeer? wireGuard)
    {
        RosenpassDialect dialect = peer.ProtocolVersion switch
        {
            "V02" => RosenpassDialect.V02,
            "V03" => RosenpassDialect.V03,
            _ => RosenpassDialect.Released,
        };
        var settings = new RosenpassPeerSettings(ReadPublicKey(peer.PublicKey), dialect)
        {
            OutputKeyLabels = peer.OutputKeyLabels,
        };
        return new KeyExchangePeer(settings, peer.PreSharedKey is null ? [] : ReadPresharedKey(peer.PreSharedKey))
        {
            Endpoint = peer.Endpoint, KeyFile = peer.KeyOut, WireGuard = wireGuard, ExchangeCommand = peer.ExchangeCommand,
        };
    }

    private static StaticPublicKey ReadPublicKey(string path) =>
        RosenpassKeyFile.TryReadPublicKey(
            Read(path, "public key", "'kedge rosenpass gen-keys' makes it"), out StaticPublicKey? key, out string reason)
            ? key
            : throw new UserError($"The file {path} is no public key of Rosenpass: {reason}.");

    private static byte[] ReadPresharedKey(string path)
    {
        byte[] contents = Read(path, "pre-shared key", "'wg genpsk' prints one");
        byte[] key = GC.AllocateArray<byte>(RosenpassExchange.OutputKeySize, pinned: true);
        try
        {
            return RosenpassKeyFile.TryReadPresharedKey(contents, key, out string reason)
                ? key
                : throw new UserError($"The file {path} is no pre-shared key: {reason}.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(contents);
        }
    }

    private static byte[] Read(string path, string what, string whence)
    {
        try
        {
            return PrivateFile.TryRead(path, out byte[]? contents)
                ? contents
                : throw new UserError($"The {what} file {path} does not exist; {whence}.");
        }
        catch (LinuxException e)
        {
            throw new UserError($"The {what} file {path} cannot be read: {e.Message}.", e);
        }
    }

    private static void Write(string path, ReadOnlySpan<byte> contents)
    {
        try
        {
            OutputFile.Write(path, contents);
        }
        catch (LinuxException e)
        {
            throw new UserError($"The file {path} cannot be written: {e.Message}.", e);
        }
    }
}
