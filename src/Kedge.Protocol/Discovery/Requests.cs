using System.Buffers.Binary;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// Questions to peers that have not been answered: each is asked again after 0.25, 0.5, 1 and 2 s, and given up a second after that, or earlier.
/// </summary>
/// <param name="random">For the ids.</param>
/// <param name="send">Sends a frame.</param>
internal sealed class Requests(RandomBytes random, Action<PublicKey, byte[]> send)
{
    /// <summary>How many can be open at once; more fail at once.</summary>
    public const int Capacity = 1024;

    /// <summary>When a question is given up, unless its asker says otherwise.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(4.75);

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(0.25);

    private readonly Dictionary<uint, Request> _open = [];
    private readonly PriorityQueue<Request, Instant> _due = new();

    /// <summary>When <see cref="Poll"/> is to be called.</summary>
    public Instant NextDeadline
    {
        get
        {
            while (_due.TryPeek(out Request? first, out Instant at))
            {
                if (!first.IsDone)
                    return at;
                _due.Dequeue();
            }
            return Instant.Never;
        }
    }

    /// <summary>Asks.</summary>
    /// <param name="now">The time.</param>
    /// <param name="to">The peer.</param>
    /// <param name="build">Makes the frame of an id; null once there is nothing left to ask for.</param>
    /// <param name="failed">Told when it is given up.</param>
    /// <param name="patience">When that is; null for <see cref="Patience"/>.</param>
    public void Begin(Instant now, PublicKey to, Func<uint, byte[]?> build, Action<Instant>? failed, TimeSpan? patience = null)
    {
        if (_open.Count >= Capacity)
        {
            failed?.Invoke(now);
            return;
        }
        var request = new Request(NewId(), to, build, failed, now + (patience ?? Patience));
        _open.Add(request.Id, request);
        Ask(now, request);
    }

    /// <summary>Ends a question of this id to this peer.</summary>
    /// <returns>False if there is none.</returns>
    public bool TryComplete(uint id, PublicKey from)
    {
        if (!IsOpen(id, from))
            return false;
        _open.Remove(id, out Request? request);
        request!.IsDone = true;
        return true;
    }

    /// <summary>Whether a question of this id to this peer is open.</summary>
    public bool IsOpen(uint id, PublicKey from) => _open.TryGetValue(id, out Request? request) && request.To == from;

    /// <summary>Gives up all questions to a peer.</summary>
    public void Cancel(Instant now, PublicKey to)
    {
        foreach (Request request in _open.Values.Where(request => request.To == to).ToArray())
            Fail(now, request);
    }

    /// <summary>Asks again what is due.</summary>
    public void Poll(Instant now)
    {
        while (NextDeadline <= now)
        {
            Request request = _due.Dequeue();
            if (now >= request.GivenUpAt)
                Fail(now, request);
            else
                Ask(now, request);
        }
    }

    private void Ask(Instant now, Request request)
    {
        if (request.Build(request.Id) is not { } frame)
        {
            _open.Remove(request.Id);
            request.IsDone = true;
            return;
        }
        send(request.To, frame);
        request.Pause = request.Pause == TimeSpan.Zero ? FirstPause : 2 * request.Pause;
        _due.Enqueue(request, Instant.Earlier(now + request.Pause, request.GivenUpAt));
    }

    private void Fail(Instant now, Request request)
    {
        if (request.IsDone)
            return;
        _open.Remove(request.Id);
        request.IsDone = true;
        request.Failed?.Invoke(now);
    }

    private uint NewId()
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        uint id;
        do
        {
            random(bytes);
            id = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        }
        while (id == 0 || _open.ContainsKey(id)); // 0 is what nobody has asked for
        return id;
    }

    private sealed class Request(uint id, PublicKey to, Func<uint, byte[]?> build, Action<Instant>? failed, Instant givenUpAt)
    {
        public uint Id { get; } = id;

        public PublicKey To { get; } = to;

        public Func<uint, byte[]?> Build { get; } = build;

        public Action<Instant>? Failed { get; } = failed;

        public Instant GivenUpAt { get; } = givenUpAt;

        public TimeSpan Pause { get; set; }

        public bool IsDone { get; set; }
    }
}
