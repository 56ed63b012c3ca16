using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Protocol.Api;

namespace Kedge.Control.Identity;

/// <summary>
/// The challenges of enrolments. None is stored: a challenge's key is derived from its identifier, which holds its time, and from a secret
/// of this process, so that no flood of requests fills anything. Only those that were used, each by a proof that holds, are remembered until
/// they expire. Time is the process's own, which no change of the clock touches. Any thread.
/// </summary>
internal sealed class Challenges(TimeProvider clock)
{
    /// <summary>How long a challenge can be used.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(60);

    private readonly byte[] _secret = RandomNumberGenerator.GetBytes(32);
    private readonly long _start = clock.GetTimestamp();
    private readonly ConcurrentDictionary<Guid, bool> _used = new();
    private readonly ConcurrentQueue<Guid> _usedInOrder = new();

    /// <summary>Makes a challenge.</summary>
    public EnrolmentChallenge Create()
    {
        Span<byte> id = stackalloc byte[16];
        RandomNumberGenerator.Fill(id);
        BinaryPrimitives.WriteInt64BigEndian(id, Milliseconds());
        return Of(new Guid(id, bigEndian: true), clock.GetUtcNow() + Lifetime);
    }

    /// <summary>Finds the challenge that somebody answers. It can be used still, unless somebody else is faster.</summary>
    /// <returns>False when it is not one of ours, or has expired, or was used.</returns>
    public bool TryFind(Guid id, [NotNullWhen(true)] out EnrolmentChallenge? challenge)
    {
        // An identifier that somebody made up has a key as well, but one that only we know, and no proof is possible against it.
        bool isPossible = IsFresh(id) && !_used.ContainsKey(id);
        challenge = isPossible ? Of(id, default) : null;
        return isPossible;
    }

    /// <summary>Uses a challenge, once the proof is seen to hold.</summary>
    /// <returns>False when somebody was faster.</returns>
    public bool TryUse(Guid id)
    {
        while (_usedInOrder.TryPeek(out Guid oldest) && !IsFresh(oldest) && _usedInOrder.TryDequeue(out Guid old))
            _used.TryRemove(old, out _);
        if (!IsFresh(id) || !_used.TryAdd(id, true))
            return false;
        _usedInOrder.Enqueue(id);
        return true;
    }

    /// <summary>A challenge's private key, 32 bytes; the caller zeroes it.</summary>
    public byte[] PrivateKey(Guid id) => HMACSHA256.HashData(_secret, id.ToByteArray(bigEndian: true));

    private EnrolmentChallenge Of(Guid id, DateTimeOffset expiresAt)
    {
        byte[] privateKey = PrivateKey(id);
        var publicKey = new byte[X25519.KeySize];
        X25519.PublicKey(privateKey, publicKey);
        CryptographicOperations.ZeroMemory(privateKey);
        return new EnrolmentChallenge(id, Convert.ToBase64String(publicKey), expiresAt);
    }

    private long Milliseconds() => (long)clock.GetElapsedTime(_start).TotalMilliseconds;

    private bool IsFresh(Guid id)
    {
        long made = BinaryPrimitives.ReadInt64BigEndian(id.ToByteArray(bigEndian: true));
        long now = Milliseconds();
        return made >= 0 && made <= now && now - made <= (long)Lifetime.TotalMilliseconds;
    }
}
