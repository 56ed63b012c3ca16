using System.Collections.Concurrent;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// Which session, or which handshake under way, an index in a message means. Sessions are looked up by the packet threads without a lock;
/// everything else is the handshake thread's, but for <see cref="Remove"/>.
/// </summary>
internal sealed class SessionTable(RandomBytes random)
{
    private readonly ConcurrentDictionary<uint, KeyPair> _sessions = new();
    private readonly Dictionary<uint, PeerTunnel> _awaited = [];

    /// <summary>The session of an index. Any thread; allocates nothing.</summary>
    public KeyPair? Find(uint index) => _sessions.GetValueOrDefault(index);

    /// <summary>The peer whose response is awaited under an index.</summary>
    public PeerTunnel? FindAwaited(uint index) => _awaited.GetValueOrDefault(index);

    /// <summary>An index that nothing has. Random, so that it says nothing about how many there are.</summary>
    public uint NewIndex()
    {
        Span<byte> bytes = stackalloc byte[4];
        uint index;
        do
        {
            random(bytes);
            index = BitConverter.ToUInt32(bytes);
        }
        while (_sessions.ContainsKey(index) || _awaited.ContainsKey(index));
        return index;
    }

    /// <summary>Expects a response under an index.</summary>
    public void Await(uint index, PeerTunnel peer) => _awaited[index] = peer;

    /// <summary>Expects no response under an index any more.</summary>
    public void Forget(uint index) => _awaited.Remove(index);

    /// <summary>Enters a session under its local index.</summary>
    public void Add(KeyPair session) => _sessions[session.LocalIndex] = session;

    /// <summary>Removes a session. Any thread.</summary>
    public void Remove(KeyPair session) => _sessions.TryRemove(session.LocalIndex, out _);
}
