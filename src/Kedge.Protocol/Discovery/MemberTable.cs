using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// The nodes that are known, by identifier and by address. Of those that nothing but a look-up or an introduction has brought, the ones that were
/// not used for longest make room for others.
/// </summary>
/// <param name="maximumOthers">How many of those there are at most.</param>
internal sealed class MemberTable(int maximumOthers)
{
    private readonly Dictionary<NodeId, Member> _members = [];
    private readonly Dictionary<IpAddress, Member> _addresses = [];
    private PrefixTrie<Member> _prefixes = PrefixTrie<Member>.Empty; // of the networks behind nodes

    /// <summary>All of them.</summary>
    public IReadOnlyCollection<Member> All => _members.Values;

    /// <summary>The node of an identifier; null if it is not known.</summary>
    public Member? Find(NodeId id) => _members.GetValueOrDefault(id);

    /// <summary>The node that has an address, or the smallest network behind a node that does; null if none is known.</summary>
    public Member? Find(IpAddress address) => _addresses.GetValueOrDefault(address) ?? _prefixes.FindLongest(address);

    /// <summary>Takes a certificate that was verified.</summary>
    /// <returns>The node; null if the certificate is older than what is known, or another node has its identifier.</returns>
    public Member? Put(NodeCertificate certificate, Instant now)
    {
        var id = NodeId.Of(certificate.WireGuardKey);
        if (!_members.TryGetValue(id, out Member? member))
        {
            MakeRoom();
            member = new Member(certificate) { UsedAt = now };
            Add(member);
            return member;
        }
        if (member.Certificate.WireGuardKey != certificate.WireGuardKey || certificate.NotBefore < member.Certificate.NotBefore)
            return null;
        member.UsedAt = now;
        if (member.IsSelf || CertificateReference.Of(member.Certificate) == CertificateReference.Of(certificate))
            return member;
        RemoveAddresses(member);
        member.Certificate = certificate;
        AddAddresses(member);
        return member;
    }

    /// <summary>Adds this node itself.</summary>
    public void Add(Member member)
    {
        _members.Add(member.Id, member);
        AddAddresses(member);
    }

    /// <summary>Forgets a node.</summary>
    public void Remove(Member member)
    {
        if (_members.Remove(member.Id))
            RemoveAddresses(member);
    }

    private static bool IsHost(IpPrefix prefix) => prefix.Length == 8 * prefix.Address.Size;

    // Of two nodes that are certified for the same address the one whose certificate is newer has it.
    private static bool IsNewer(Member member, Member? than) => than is null || member.Certificate.NotBefore > than.Certificate.NotBefore;

    private void AddAddresses(Member member)
    {
        foreach (IpPrefix prefix in member.Certificate.Prefixes)
        {
            if (!IsHost(prefix) && IsNewer(member, _prefixes.Find(prefix)))
                _prefixes = _prefixes.With(prefix, member);
            else if (IsHost(prefix) && IsNewer(member, _addresses.GetValueOrDefault(prefix.Address)))
                _addresses[prefix.Address] = member;
        }
        // A prefix of a certificate may have swallowed the node's own address.
        foreach (IpAddress address in member.Certificate.Addresses)
            if (IsNewer(member, _addresses.GetValueOrDefault(address)))
                _addresses[address] = member;
    }

    private void RemoveAddresses(Member member)
    {
        foreach (IpAddress address in member.Certificate.Prefixes.Where(IsHost).Select(prefix => prefix.Address).Concat(member.Certificate.Addresses))
            if (_addresses.GetValueOrDefault(address) == member)
                _addresses.Remove(address);
        foreach (IpPrefix prefix in member.Certificate.Prefixes)
            if (_prefixes.Find(prefix) == member)
                _prefixes = _prefixes.Without(prefix);
    }

    private void MakeRoom()
    {
        if (_members.Count < maximumOthers)
            return;
        Member[] others = [.. _members.Values.Where(member => !member.IsPinned)];
        if (others.Length >= maximumOthers)
            Remove(others.MinBy(member => member.UsedAt)!);
    }
}
