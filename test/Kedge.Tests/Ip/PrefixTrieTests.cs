using Kedge.Protocol.Ip;

namespace Kedge.Tests.Ip;

public class PrefixTrieTests
{
    [Fact]
    public void An_older_version_stays_as_it_was()
    {
        IpPrefix wide = IpPrefix.Parse("10.0.0.0/8"), narrow = IpPrefix.Parse("10.1.0.0/16");
        IpAddress address = IpAddress.Parse("10.1.2.3");
        PrefixTrie<string> first = PrefixTrie<string>.Empty.With(wide, "wide");
        PrefixTrie<string> second = first.With(narrow, "narrow");
        PrefixTrie<string> third = second.Without(wide);
        Assert.Null(PrefixTrie<string>.Empty.FindLongest(address));
        Assert.Equal("wide", first.FindLongest(address));
        Assert.Equal("narrow", second.FindLongest(address));
        Assert.Equal("wide", second.FindLongest(IpAddress.Parse("10.2.0.0")));
        Assert.Equal("narrow", third.FindLongest(address));
        Assert.Null(third.FindLongest(IpAddress.Parse("10.2.0.0")));
    }

    [Fact]
    public void An_exact_search_does_not_see_shorter_or_longer_prefixes()
    {
        PrefixTrie<string> trie = PrefixTrie<string>.Empty
            .With(IpPrefix.Parse("10.0.0.0/9"), "left")
            .With(IpPrefix.Parse("10.128.0.0/9"), "right"); // the fork above the two is a node, but no prefix
        Assert.Equal("left", trie.Find(IpPrefix.Parse("10.0.0.0/9")));
        Assert.Null(trie.Find(IpPrefix.Parse("10.0.0.0/8")));
        Assert.Null(trie.Find(IpPrefix.Parse("10.0.0.0/10")));
        Assert.Null(trie.Find(IpPrefix.Parse("11.0.0.0/9")));
        Assert.Null(trie.Find(default));
        Assert.Throws<ArgumentException>(() => trie.With(default, "none"));
        Assert.Null(trie.FindLongest(default));
    }

    [Fact]
    public void The_families_do_not_mix()
    {
        PrefixTrie<string> trie = PrefixTrie<string>.Empty.With(IpPrefix.Parse("0.0.0.0/0"), "4").With(IpPrefix.Parse("::/0"), "6");
        Assert.Equal("4", trie.FindLongest(IpAddress.Parse("192.0.2.1")));
        Assert.Equal("6", trie.FindLongest(IpAddress.Parse("::ffff:192.0.2.1")));
        Assert.Null(trie.Without(IpPrefix.Parse("::/0")).FindLongest(IpAddress.Parse("::ffff:192.0.2.1")));
    }

    /// <summary>The paths to the root are copied on each change, so what a change allocates tells how deep the trie is.</summary>
    [Theory]
    [InlineData(1)]
    public void What_was_removed_leaves_no_fork_behind(int seed)
    {
        var random = new Random(seed);
        IpAddress[] addresses = [.. Enumerable.Range(0, 500).Select(_ => Samples.Address(random))];
        IpPrefix[] prefixes = [.. addresses.Select(address => new IpPrefix(address, address.Size * 6))];
        PrefixTrie<string> fresh = PrefixTrie<string>.Empty, churned = PrefixTrie<string>.Empty;
        foreach (IpPrefix prefix in prefixes)
            churned = churned.With(prefix, "stays or goes");
        foreach (IpPrefix prefix in prefixes[10..])
            churned = churned.Without(prefix);
        foreach (IpPrefix prefix in prefixes[..10])
            fresh = fresh.With(prefix, "stays");
        Assert.Equal(Allocated(fresh), Allocated(churned));

        long Allocated(PrefixTrie<string> trie)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            foreach (IpPrefix prefix in prefixes)
                _ = trie.With(prefix, "measured");
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [Fact]
    public void Removing_what_is_not_there_changes_nothing()
    {
        PrefixTrie<string> trie = PrefixTrie<string>.Empty.With(IpPrefix.Parse("10.0.0.0/8"), "a").With(IpPrefix.Parse("11.0.0.0/8"), "b");
        foreach (string absent in new[] { "10.0.0.0/7", "10.0.0.0/9", "12.0.0.0/8", "0.0.0.0/0", "::/0", "10.0.0.0/32" })
            trie = trie.Without(IpPrefix.Parse(absent));
        Assert.Equal("a", trie.FindLongest(IpAddress.Parse("10.0.0.0")));
        Assert.Equal("b", trie.FindLongest(IpAddress.Parse("11.0.0.0")));
    }
}
