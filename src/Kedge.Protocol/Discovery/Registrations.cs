namespace Kedge.Protocol.Discovery;

/// <summary>The nodes that this one keeps in mind for others, because they have asked it to.</summary>
/// <param name="state">What is known.</param>
/// <param name="intake">Verifies.</param>
internal sealed class Registrations(DiscoveryState state, Intake intake)
{
    /// <summary>How many there are at most.</summary>
    public const int Capacity = 16_384;

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>Takes a registration, and says what is known of its node.</summary>
    public void Receive(Instant now, DiscoveryPeer peer, uint id, ReadOnlySpan<byte> body)
    {
        var reader = new FrameReader(body);
        reader.UInt64(); // what it has: who lacks that says so
        ReadOnlySpan<byte> record = reader.Counted();
        Member member = peer.Member;
        if (!reader.IsValid || (member.RegisteredUntil is null && Count >= Capacity))
            return;
        if (!record.IsEmpty)
            intake.TakeRecord(now, peer, record, isOfInterest: false, out _, out _);
        Count += member.RegisteredUntil is null ? 1 : 0;
        member.RegisteredUntil = now + NodeRecord.MaximumLifetime;
        FrameWriter writer = FrameWriter.Begin(DiscoveryFrameKind.Registered, id);
        writer.AddUInt64((ulong)(member.Record?.Sequence ?? 0));
        state.Send(peer.Key, writer.ToFrame());
    }

    /// <summary>Forgets a registration, if there is one.</summary>
    public void Remove(Member member)
    {
        Count -= member.RegisteredUntil is null ? 0 : 1;
        member.RegisteredUntil = null;
    }
}
