using System.Buffers.Binary;
using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <summary>
/// What the probes between this device and one peer are sealed with: derived from the secret that only the two static keys have in common,
/// apart from all sessions, so that a path can be probed before there is one. Each direction has a key, and a locator by which the receiver
/// finds it. In memory that never moves, zeroed on disposal.
/// </summary>
public sealed class ProbeKeys : IDisposable
{
    private static ReadOnlySpan<byte> Label => "kedge probe 1"u8;

    private readonly byte[] _send = GC.AllocateArray<byte>(WireGuardKdf.OutputSize, pinned: true);
    private readonly byte[] _receive = GC.AllocateArray<byte>(WireGuardKdf.OutputSize, pinned: true);

    private ProbeKeys()
    {
    }

    /// <summary>The locator of what this device sends.</summary>
    public ulong SendLocator { get; private set; }

    /// <summary>The locator of what the peer sends.</summary>
    public ulong ReceiveLocator { get; private set; }

    /// <summary>The key of what this device sends, 32 bytes.</summary>
    internal ReadOnlySpan<byte> Send => _send;

    /// <summary>The key of what the peer sends, 32 bytes.</summary>
    internal ReadOnlySpan<byte> Receive => _receive;

    /// <summary>Derives the keys for a peer. The device's handshake thread.</summary>
    /// <param name="device">The device.</param>
    /// <param name="peer">One of its peers.</param>
    /// <returns>The keys, which the caller disposes; null while the device has no key.</returns>
    public static ProbeKeys? Derive(WireGuardDevice device, PeerTunnel peer)
    {
        if (device.Identity is not { } identity)
            return null;
        var keys = new ProbeKeys();
        if (keys.TryDerive(peer, identity.PublicKey, peer.PublicKey, keys._send, out ulong send)
            && keys.TryDerive(peer, peer.PublicKey, identity.PublicKey, keys._receive, out ulong receive))
        {
            (keys.SendLocator, keys.ReceiveLocator) = (send, receive);
            return keys;
        }
        keys.Dispose();
        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_send);
        CryptographicOperations.ZeroMemory(_receive);
    }

    private bool TryDerive(PeerTunnel peer, PublicKey sender, PublicKey receiver, Span<byte> key, out ulong locator)
    {
        Span<byte> label = stackalloc byte[Label.Length + 2 * PublicKey.Size];
        Label.CopyTo(label);
        sender.CopyTo(label[Label.Length..]);
        receiver.CopyTo(label[(Label.Length + PublicKey.Size)..]);
        Span<byte> second = stackalloc byte[WireGuardKdf.OutputSize];
        bool derived = peer.TryDerive(label, key, second);
        locator = BinaryPrimitives.ReadUInt64LittleEndian(second);
        return derived;
    }
}
