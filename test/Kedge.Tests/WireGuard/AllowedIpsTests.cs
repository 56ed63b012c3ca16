using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Tests.Ip;

namespace Kedge.Tests.WireGuard;

public class AllowedIpsTests
{
    // Above, beside and below 10.1.0.0/16, and none that contains 10.1.128.1 and is longer.
    private static readonly string[] Around =
    [
        "0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/15", "10.1.0.0/17", "10.1.128.0/32", "10.1.2.0/24", "10.1.2.2/32", "10.1.2.2/31", "11.0.0.0/8",
    ];

    private readonly AllowedIps<string> _table = new();

    [Fact]
    public void The_longest_prefix_decides()
    {
        Insert("0.0.0.0/0", "default");
        Insert("10.0.0.0/8", "wide");
        Insert("10.1.0.0/16", "narrow");
        Insert("10.1.2.3/32", "host");
        Assert.Equal("host", Find("10.1.2.3"));
        Assert.Equal("narrow", Find("10.1.2.4"));
        Assert.Equal("wide", Find("10.2.0.0"));
        Assert.Equal("default", Find("11.0.0.0"));
        Assert.Null(Find("::"));
    }

    [Fact]
    public void The_order_of_insertion_does_not_matter()
    {
        Insert("fd00::1/128", "host");
        Insert("fd00::/64", "narrow");
        Insert("::/0", "default");
        Insert("fd00::/8", "wide");
        Assert.Equal("host", Find("fd00::1"));
        Assert.Equal("narrow", Find("fd00::2"));
        Assert.Equal("wide", Find("fd01::"));
        Assert.Equal("default", Find("2001:db8::"));
        Assert.Null(Find("0.0.0.0"));
    }

    [Fact]
    public void A_peer_cannot_speak_for_a_longer_prefix_of_another()
    {
        Insert("10.0.0.0/24", "gateway");
        Insert("10.0.0.7/32", "host");
        Assert.NotEqual("gateway", Find("10.0.0.7"));
        Assert.NotEqual("host", Find("10.0.0.8"));
    }

    [Fact]
    public void A_prefix_has_one_owner_and_the_last_one_to_claim_it_is_it()
    {
        Insert("10.0.0.0/24", "a");
        Insert("10.0.0.99/24", "b"); // the same block, written with host bits
        Assert.Equal("b", Find("10.0.0.1"));
        Assert.Empty(_table.PrefixesOf("a"));
        Assert.False(_table.Remove(IpPrefix.Parse("10.0.0.0/24"), "a"));
        Assert.Equal("b", Find("10.0.0.1"));
        _table.RemoveAll("a");
        Assert.Equal("b", Find("10.0.0.1"));
    }

    [Fact]
    public void What_is_removed_falls_to_the_next_shorter_prefix()
    {
        Insert("10.0.0.0/8", "wide");
        Insert("10.1.0.0/16", "narrow");
        Assert.True(_table.Remove(IpPrefix.Parse("10.1.0.0/16"), "narrow"));
        Assert.Equal("wide", Find("10.1.0.1"));
        Assert.False(_table.Remove(IpPrefix.Parse("10.1.0.0/16"), "narrow"));
        _table.RemoveAll("wide");
        Assert.Null(Find("10.1.0.1"));
    }

    [Fact]
    public void A_fork_between_two_prefixes_belongs_to_nobody()
    {
        Insert("10.0.0.0/9", "a");
        Insert("10.128.0.0/9", "b");
        Assert.False(_table.Remove(IpPrefix.Parse("10.0.0.0/8"), "a"));
        Assert.True(_table.Remove(IpPrefix.Parse("10.0.0.0/9"), "a"));
        Assert.Null(Find("10.0.0.1"));
        Assert.Equal("b", Find("10.128.0.1"));
    }

    [Fact]
    public void Prefixes_are_listed_in_order_and_as_they_were_when_asked()
    {
        string[] expected = ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "192.0.2.1/32", "::/0", "fd00::/64"];
        foreach (string prefix in expected.Reverse())
            Insert(prefix, "a");
        IEnumerable<IpPrefix> listed = _table.PrefixesOf("a");
        _table.RemoveAll("a");
        Assert.Equal(expected, listed.Select(prefix => prefix.ToString()));
        Assert.Empty(_table.PrefixesOf("a"));
    }

    [Fact]
    public void Owners_are_told_apart_by_reference()
    {
        string first = new('p', 1), second = new('p', 1);
        Insert("10.0.0.0/8", first);
        Assert.False(_table.Remove(IpPrefix.Parse("10.0.0.0/8"), second));
        Insert("10.0.0.0/8", second);
        Assert.Same(second, Find("10.0.0.1"));
        Assert.Empty(_table.PrefixesOf(first));
    }

    [Fact]
    public void No_prefix_is_no_entry()
    {
        Assert.Throws<ArgumentException>(() => _table.Insert(default, "a"));
        Assert.False(_table.Remove(default, "a"));
        Insert("0.0.0.0/0", "a");
        Insert("::/0", "a");
        Assert.Null(_table.Find(default));
    }

    [Theory]
    [InlineData(1, 30)]
    [InlineData(2, 300)]
    [InlineData(3, 3000)]
    public void The_table_agrees_with_a_plain_list(int seed, int prefixes)
    {
        var random = new Random(seed);
        string[] owners = [.. Enumerable.Range(0, 10).Select(i => $"peer {i}")];
        IpPrefix[] pool = [.. Pool(random, prefixes)];
        Dictionary<IpPrefix, string> oracle = [];
        for (int step = 0; step < 3_000; step++)
        {
            string owner = owners[random.Next(owners.Length)];
            IpPrefix prefix = pool[random.Next(pool.Length)];
            switch (random.Next(100))
            {
                case 0:
                    _table.RemoveAll(owner);
                    foreach (IpPrefix owned in PrefixesOf(oracle, owner))
                        oracle.Remove(owned);
                    break;
                case < 30:
                    bool expected = oracle.TryGetValue(prefix, out string? present) && present == owner;
                    Assert.Equal(expected, _table.Remove(prefix, owner));
                    if (expected)
                        oracle.Remove(prefix);
                    break;
                default:
                    _table.Insert(prefix, owner);
                    oracle[prefix] = owner;
                    break;
            }
            for (int i = 0; i < 3; i++)
            {
                IpAddress address = Samples.AddressNear(random, pool[random.Next(pool.Length)].Address);
                Assert.Equal(Oracle(oracle, address), _table.Find(address));
            }
            if (step % 100 == 0)
            {
                foreach (string each in owners)
                    Assert.Equal(PrefixesOf(oracle, each).OrderBy(Key), _table.PrefixesOf(each));
            }
        }

        static (bool, string, int) Key(IpPrefix prefix) =>
            (prefix.Address.IsIPv6, Convert.ToHexString(prefix.Address.ToIPAddress().GetAddressBytes()), prefix.Length);
    }

    [Fact]
    public void Finding_allocates_nothing()
    {
        Insert("0.0.0.0/0", "a");
        Insert("10.0.0.0/8", "b");
        Insert("fd00::/64", "c");
        IpAddress ipv4 = IpAddress.Parse("10.1.2.3"), ipv6 = IpAddress.Parse("fd00::1");
        Assert.Equal("b", _table.Find(ipv4));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000; i++)
        {
            _table.Find(ipv4);
            _table.Find(ipv6);
            _table.Find(default);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    /// <summary>
    /// The writer hands one prefix to owner 1, 2, 3, … and churns what is above, below and beside it. A reader must always find an owner,
    /// never one older than the last it saw, and for the address in a prefix of its own always that one's.
    /// </summary>
    [Fact]
    public void Readers_see_the_table_before_a_change_or_after_it()
    {
        const int Versions = 5_000;
        var table = new AllowedIps<Owner>();
        Owner constant = new(-1), churn = new(-2);
        IpPrefix moving = IpPrefix.Parse("10.1.0.0/16");
        IpAddress inMoving = IpAddress.Parse("10.1.128.1"), inConstant = IpAddress.Parse("10.1.2.3");
        table.Insert(moving, new Owner(0));
        table.Insert(IpPrefix.Parse("10.1.2.3/32"), constant);
        IpPrefix[] around = [.. Around.Select(text => IpPrefix.Parse(text))];
        bool done = false;
        string? failure = null;
        long[] lookups = new long[2];
        Thread[] readers = [.. Enumerable.Range(0, lookups.Length).Select(i => new Thread(() => Read(i)))];
        foreach (Thread reader in readers)
            reader.Start();
        Assert.True(SpinWait.SpinUntil(() => lookups.All(count => Volatile.Read(ref count) > 0), TimeSpan.FromSeconds(20)));

        var random = new Random(1);
        for (int version = 1; version <= Versions; version++)
        {
            table.Insert(moving, new Owner(version));
            IpPrefix prefix = around[random.Next(around.Length)];
            if (!table.Remove(prefix, churn))
                table.Insert(prefix, churn);
            if (version % 50 == 0)
                table.RemoveAll(churn);
        }
        Volatile.Write(ref done, true);
        foreach (Thread reader in readers)
            reader.Join();
        Assert.Null(failure);
        Assert.Equal(Versions, table.Find(inMoving)!.Version);

        void Read(int reader)
        {
            int newest = 0;
            while (!Volatile.Read(ref done) && failure is null)
            {
                Owner? found = table.Find(inMoving);
                if (found is null || found.Version < newest)
                    failure = $"version {found?.Version} after {newest}";
                else
                    newest = found.Version;
                if (!ReferenceEquals(table.Find(inConstant), constant))
                    failure = "the constant prefix was lost";
                Volatile.Write(ref lookups[reader], lookups[reader] + 1);
            }
        }
    }

    private void Insert(string prefix, string owner) => _table.Insert(IpPrefix.Parse(prefix), owner);

    private string? Find(string address) => _table.Find(IpAddress.Parse(address));

    private static List<IpPrefix> PrefixesOf(Dictionary<IpPrefix, string> table, string owner) =>
        [.. table.Where(entry => entry.Value == owner).Select(entry => entry.Key)];

    private static string? Oracle(Dictionary<IpPrefix, string> table, IpAddress address)
    {
        string? owner = null;
        int longest = -1;
        foreach ((IpPrefix prefix, string candidate) in table)
        {
            if (prefix.Length > longest && Contains(prefix, address))
                (owner, longest) = (candidate, prefix.Length);
        }
        return owner;
    }

    /// <summary>Bit by bit, so that the oracle shares no arithmetic with what it judges.</summary>
    private static bool Contains(IpPrefix prefix, IpAddress address)
    {
        Span<byte> block = stackalloc byte[16], bytes = stackalloc byte[16];
        if (prefix.Address.CopyTo(block) != address.CopyTo(bytes))
            return false;
        for (int i = 0; i < prefix.Length; i++)
        {
            if (((block[i / 8] ^ bytes[i / 8]) & (0x80 >> (i % 8))) != 0)
                return false;
        }
        return true;
    }

    /// <summary>Prefixes that overlap and neighbour each other, with the extreme lengths among them.</summary>
    private static HashSet<IpPrefix> Pool(Random random, int count)
    {
        HashSet<IpPrefix> pool = [IpPrefix.Parse("0.0.0.0/0"), IpPrefix.Parse("::/0")];
        List<IpAddress> seeds = [IpAddress.Parse("255.255.255.255"), IpAddress.Parse("::"), Samples.Address(random)];
        while (pool.Count < count)
        {
            IpAddress address = Samples.AddressNear(random, seeds[random.Next(seeds.Count)]);
            seeds.Add(address);
            pool.Add(new IpPrefix(address, random.Next(4) == 0 ? address.Size * 8 : random.Next(address.Size * 8 + 1)));
        }
        return pool;
    }

    private sealed record Owner(int Version);
}
