using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard;

/// <summary>Allowed IPs and the trie under them, against a list that is searched from end to end.</summary>
public sealed class AllowedIpsTarget : Target
{
    private static readonly string[] Owners = ["a", "b", "c", "d"];

    public override string Name => "allowed-ips";

    public override int ShortRun => 8_000;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        var table = new AllowedIps<string>();
        PrefixTrie<string> trie = PrefixTrie<string>.Empty;
        Dictionary<IpPrefix, string> expected = [];
        List<IpAddress> asked = [IpAddress.IPv4(0), IpAddress.IPv4(uint.MaxValue), IpAddress.IPv6(0), IpAddress.IPv6(UInt128.MaxValue)];
        while (!reader.IsEmpty)
        {
            byte operation = reader.Byte();
            string owner = Owners[(operation >> 3) % Owners.Length];
            switch (operation % 8)
            {
                case 0:
                    table.RemoveAll(owner);
                    foreach (IpPrefix prefix in expected.Where(entry => entry.Value == owner).Select(entry => entry.Key).ToArray())
                    {
                        expected.Remove(prefix);
                        trie = trie.Without(prefix);
                    }
                    trace.Note(1);
                    break;
                case 1 or 2:
                    IpPrefix removed = Prefix(ref reader, expected);
                    bool isOwned = expected.GetValueOrDefault(removed) == owner;
                    trace.Note(2, isOwned ? 1 : 0);
                    Invariant.Equal(isOwned, table.Remove(removed, owner), "a prefix is removed exactly from its owner");
                    if (isOwned)
                    {
                        expected.Remove(removed);
                        trie = trie.Without(removed);
                    }
                    break;
                default:
                    IpPrefix inserted = Prefix(ref reader, expected);
                    trace.Note(3, expected.ContainsKey(inserted) ? 1 : 0);
                    PrefixTrie<string> before = trie;
                    string? heldBefore = before.Find(inserted);
                    table.Insert(inserted, owner);
                    trie = trie.With(inserted, owner);
                    Invariant.Equal(heldBefore, before.Find(inserted), "a version of the trie never changes");
                    expected[inserted] = owner;
                    asked.Add(inserted.Address);
                    asked.Add(Last(inserted));
                    break;
            }
            Check(table, trie, expected, asked, trace);
            if (asked.Count > 40)
                asked.RemoveRange(4, asked.Count - 40);
        }
    }

    private static void Check(
        AllowedIps<string> table, PrefixTrie<string> trie, Dictionary<IpPrefix, string> expected, List<IpAddress> asked, Trace trace)
    {
        foreach (IpAddress address in asked)
        {
            string? owner = SlowFind(expected, address);
            Invariant.Equal(owner, table.Find(address), "an address belongs to the owner of the longest prefix that contains it");
            Invariant.Equal(owner, trie.FindLongest(address), "the trie finds the longest prefix");
            trace.Note(4, owner is null ? 0 : 1);
        }
        Invariant.Equal(null, table.Find(default), "no address belongs to nobody");
        foreach ((IpPrefix prefix, string owner) in expected)
            Invariant.Equal(owner, trie.Find(prefix), "the trie finds each prefix that was given");
        foreach (string owner in Owners)
        {
            IpPrefix[] prefixes = [.. expected.Where(entry => entry.Value == owner).Select(entry => entry.Key).Order(Comparer<IpPrefix>.Create(Compare))];
            Invariant.Holds(prefixes.SequenceEqual(table.PrefixesOf(owner)), "the prefixes of an owner are those it has, sorted");
        }
    }

    private static string? SlowFind(Dictionary<IpPrefix, string> prefixes, IpAddress address)
    {
        string? owner = null;
        int longest = -1;
        foreach ((IpPrefix prefix, string candidate) in prefixes)
        {
            if (prefix.Address.Size != address.Size || prefix.Length <= longest)
                continue;
            bool contains = true;
            for (int bit = 0; bit < prefix.Length && contains; bit++)
                contains = prefix.Address.Bit(bit) == address.Bit(bit);
            if (contains)
                (owner, longest) = (candidate, prefix.Length);
        }
        return owner;
    }

    private static int Compare(IpPrefix a, IpPrefix b)
    {
        byte[] first = Bytes(a.Address), second = Bytes(b.Address);
        return first.Length != second.Length ? first.Length - second.Length
            : first.AsSpan().SequenceCompareTo(second) is not 0 and var order ? order
            : a.Length - b.Length;
    }

    /// <summary>A prefix near others, or one that is there: bits come from few bytes, so that prefixes nest and collide.</summary>
    private static IpPrefix Prefix(ref Input reader, Dictionary<IpPrefix, string> known)
    {
        byte kind = reader.Byte();
        if (kind >= 0xC0 && known.Count > 0)
            return known.Keys.Order(Comparer<IpPrefix>.Create(Compare)).ElementAt(kind % known.Count);
        byte[] address = new byte[(kind & 1) == 0 ? 4 : 16];
        address[0] = reader.Byte();
        address[^1] = (kind & 2) == 0 ? (byte)0 : reader.Byte();
        if ((kind & 4) != 0)
            reader.Fill(address);
        return new IpPrefix(IpAddress.FromBytes(address), reader.Pick(8 * address.Length + 1));
    }

    private static IpAddress Last(IpPrefix prefix)
    {
        byte[] bytes = Bytes(prefix.Address);
        for (int bit = prefix.Length; bit < 8 * bytes.Length; bit++)
            bytes[bit / 8] |= (byte)(0x80 >> (bit % 8));
        return IpAddress.FromBytes(bytes);
    }

    private static byte[] Bytes(IpAddress address)
    {
        var bytes = new byte[address.Size];
        address.CopyTo(bytes);
        return bytes;
    }
}
