namespace Kedge.Protocol.Discovery;

/// <summary>
/// The anchors that a node knows: the best 64 of all nodes that it has heard of. Where all have heard of all, every node has the same view.
/// </summary>
internal sealed class AnchorView
{
    /// <summary>How many there are at most.</summary>
    public const int Capacity = 64;

    private readonly List<Member> _anchors = []; // the best first

    /// <summary>The anchors, the best first.</summary>
    public IReadOnlyList<Member> Anchors => _anchors;

    /// <summary>How often anchors have come or gone.</summary>
    public long Changes { get; private set; }

    /// <summary>Whether one that is not in the view would be taken into it.</summary>
    public bool WouldTake(DigestEntry entry) => _anchors.Count < Capacity || entry.IsBefore(_anchors[^1].Entry);

    /// <summary>Takes a node, or puts it where it belongs now, if it is good enough.</summary>
    /// <param name="member">A node with a record.</param>
    /// <returns>Who is no anchor any more: the node itself, the one whose place it takes, or null.</returns>
    public Member? Offer(Member member)
    {
        bool wasInView = member.IsInView;
        if (wasInView)
            _anchors.Remove(member);
        DigestEntry entry = member.Entry;
        int place = _anchors.FindIndex(other => entry.IsBefore(other.Entry));
        _anchors.Insert(place < 0 ? _anchors.Count : place, member);
        member.IsInView = true;
        Member? evicted = _anchors.Count > Capacity ? _anchors[^1] : null;
        if (evicted is not null)
        {
            _anchors.RemoveAt(_anchors.Count - 1);
            evicted.IsInView = false;
        }
        if (member.IsInView != wasInView || (evicted is not null && evicted != member))
            Changes++;
        return evicted;
    }

    /// <summary>Takes a node out, if it is there.</summary>
    public void Remove(Member member)
    {
        if (!member.IsInView)
            return;
        _anchors.Remove(member);
        member.IsInView = false;
        Changes++;
    }
}
