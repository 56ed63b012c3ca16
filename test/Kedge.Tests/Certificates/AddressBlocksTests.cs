using System.Formats.Asn1;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.Certificates;

/// <summary>Address blocks in the canonical form of RFC 3779 section 2.2.3, and in no other.</summary>
public class AddressBlocksTests
{
    // By hand from the rules of sections 2.2.3.7 to 2.2.3.9, most of them examples there.
    [Theory]
    [InlineData("10.5.0.4/32", "0305 00 0A050004")]
    [InlineData("10.5.0.0/23", "0304 01 0A0500")]
    [InlineData("10.64.0.0/12", "0303 04 0A40")]
    [InlineData("128.0.0.0/4", "0302 04 80")]
    [InlineData("0.0.0.0/0", "0301 00")]
    [InlineData("10.5.0.0/21 10.5.8.0/23", "300B 0303 00 0A05 0304 01 0A0508")] // 10.5.0.0 to 10.5.9.255
    [InlineData("10.0.0.1/32 10.0.0.2/32", "300E 0305 00 0A000001 0305 00 0A000002")] // neighbours, but no prefix
    [InlineData("10.0.0.2/32 10.0.0.3/32", "0305 01 0A000002")] // neighbours that are one
    [InlineData("10.0.0.0/24 10.0.0.7/32 10.0.0.128/25", "0304 00 0A0000")] // one that has the others
    [InlineData("0.0.0.0/1 128.0.0.0/2", "3007 0301 00 0302 06 80")] // up to 191.255.255.255
    [InlineData("64.0.0.0/2 128.0.0.0/1", "3007 0302 06 40 0301 00")] // up to the end
    [InlineData("10.1.0.0/16 10.0.0.0/24", "0304 00 0A0000 0303 00 0A01")] // in order
    public void IPv4_is_written_as_the_specification_says(string prefixes, string addressesOrRanges)
    {
        byte[] expected = CertificateForge.Blocks(Der.Hex(addressesOrRanges));
        Assert.Equal(Convert.ToHexString(expected), Convert.ToHexString(Encode(Of(prefixes))));
        Assert.True(AddressBlocks.TryRead(expected, out AddressBlocks? read));
        Assert.Equal(Of(prefixes), read);
    }

    // Appendix B of RFC 3779 has this prefix.
    [Fact]
    public void IPv6_comes_behind_IPv4()
    {
        byte[] expected = Der.Sequence(
            Der.Sequence(Der.Octets([0, 1]), Der.Sequence(Der.Hex("0303 00 0A01"))),
            Der.Sequence(Der.Octets([0, 2]), Der.Sequence(Der.Hex("0307 00 200100000002"))));
        Assert.Equal(Convert.ToHexString(expected), Convert.ToHexString(Encode(Of("2001:0:2::/48 10.1.0.0/16"))));
        Assert.True(AddressBlocks.TryRead(expected, out _));
    }

    [Fact]
    public void All_addresses_are_two_empty_prefixes()
    {
        Assert.Equal(Of("0.0.0.0/0 ::/0"), AddressBlocks.All);
        Assert.True(AddressBlocks.All.Contains(Of("255.255.255.255/32 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")));
        Assert.Equal(["0.0.0.0/0", "::/0"], AddressBlocks.All.Prefixes.Select(prefix => prefix.ToString()));
    }

    [Theory]
    [InlineData("0305 00 0A050004 0305 00 0A050003")] // not in order
    [InlineData("0305 00 0A050004 0305 00 0A050004")] // twice
    [InlineData("0305 00 0A050004 0305 00 0A050005")] // neighbours: one prefix
    [InlineData("0305 00 0A050001 0305 00 0A050002")] // neighbours: a range
    [InlineData("0304 00 0A0500 0305 00 0A050004")] // one in the other
    [InlineData("300E 0305 00 0A050004 0305 00 0A050004")] // a range of one address
    [InlineData("300C 0304 00 0A0500 0304 00 0A0500")] // a range that is a prefix
    [InlineData("300F 0305 00 0A050000 0306 00 0A05090000")] // a fifth byte
    [InlineData("300D 0305 00 0A050000 0304 01 0A0508")] // zeros at the end of the first address
    [InlineData("300B 0303 00 0A05 0304 00 0A0509")] // ones at the end of the last
    [InlineData("300B 0304 01 0A0508 0303 00 0A05")] // the end before the beginning
    [InlineData("300D 0303 00 0A05 0304 01 0A0508 0500")] // a third end
    [InlineData("3005 0303 00 0A05")] // one end
    [InlineData("0304 01 0A0501")] // a bit behind the prefix
    [InlineData("0304 08 0A0500")] // eight unused bits
    [InlineData("0301 01")] // unused bits of nothing
    [InlineData("0306 00 0A05000400")] // 40 bits
    [InlineData("0500")] // inherited, inside the list
    [InlineData("0404 0A050004")] // another type
    [InlineData("")] // none
    public void Every_other_form_is_refused(string addressesOrRanges) =>
        Assert.False(AddressBlocks.TryRead(CertificateForge.Blocks(Der.Hex(addressesOrRanges)), out _));

    [Theory]
    [InlineData("3000")] // no family
    [InlineData("3008 3006 0402 0001 0500")] // inherited
    [InlineData("300E 300C 0403 000101 3005 0303 00 0A05")] // a subsequent address family
    [InlineData("300D 300B 0402 0003 3005 0303 00 0A05")] // a family that is no IP
    [InlineData("300D 300B 0402 0101 3005 0303 00 0A05")]
    [InlineData("300C 300A 0401 01 3005 0303 00 0A05")]
    [InlineData("301A 300B 0402 0002 3005 0303 00 0A05 300B 0402 0001 3005 0303 00 0A05")] // IPv6 first
    [InlineData("301A 300B 0402 0001 3005 0303 00 0A05 300B 0402 0001 3005 0303 00 0A07")] // a family in two parts
    [InlineData("3017 300B 0402 0001 3005 0303 00 0A05 3006 0402 0002 3000 0500")]
    [InlineData("3015 300B 0402 0001 3005 0303 00 0A05 3006 0402 0002 3000")] // a family without addresses
    [InlineData("300D 300B 0402 0001 3005 0303 00 0A05 00")] // something behind the end
    [InlineData("3080 300B 0402 0001 3005 0303 00 0A05 0000")] // an indefinite length
    [InlineData("")]
    [InlineData("30")]
    public void Every_other_family_is_refused(string blocks) => Assert.False(AddressBlocks.TryRead(Der.Hex(blocks), out _));

    [Fact]
    public void A_range_becomes_as_few_prefixes_as_possible()
    {
        byte[] range = Der.Hex("300E 0305 00 0A000001 0305 00 0A00000E"); // 10.0.0.1 to 10.0.0.14
        Assert.True(AddressBlocks.TryRead(CertificateForge.Blocks(range), out AddressBlocks? blocks));
        Assert.Equal(
            ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/30", "10.0.0.8/30", "10.0.0.12/31", "10.0.0.14/32"],
            blocks.Prefixes.Select(prefix => prefix.ToString()));
    }

    [Fact]
    public void Ranges_that_stand_for_too_many_prefixes_are_refused()
    {
        // From x::1 to x:ff…fe, which takes 222 prefixes each.
        byte[][] ranges = [.. Enumerable.Range(0, 5).Select(i => Der.Sequence(
            Der.Tagged(0x03, [0, 0xFD, (byte)(2 * i), .. new byte[13], 1]),
            Der.Tagged(0x03, [0, 0xFD, (byte)(2 * i), .. Enumerable.Repeat<byte>(0xFF, 13), 0xFE])))];
        byte[] Blocks(int count) => Der.Sequence(Der.Sequence(Der.Octets([0, 2]), Der.Sequence(ranges[..count])));

        Assert.True(AddressBlocks.TryRead(Blocks(4), out AddressBlocks? four));
        Assert.Equal(4 * 222, four.Prefixes.Count);
        Assert.False(AddressBlocks.TryRead(Blocks(5), out _));
        Assert.Throws<ArgumentException>(() => AddressBlocks.Of(Enumerable.Range(0, 1025).Select(i => new IpPrefix(IpAddress.IPv4((uint)i * 2), 32))));
        Assert.Throws<ArgumentException>(() => AddressBlocks.Of([]));
    }

    [Theory]
    [InlineData("10.0.0.0/8", "10.1.2.3/32", true)]
    [InlineData("10.0.0.0/8", "10.0.0.0/8", true)]
    [InlineData("10.0.0.0/8", "10.0.0.0/7", false)]
    [InlineData("10.0.0.0/8", "10.1.0.0/16 11.0.0.0/32", false)]
    [InlineData("10.0.0.0/8", "10.1.0.0/16 ::/128", false)]
    [InlineData("10.0.0.0/9 10.128.0.0/9", "10.0.0.0/8", true)] // two that are one
    [InlineData("10.0.0.1/32 10.0.0.2/31", "10.0.0.1/32 10.0.0.3/32", true)]
    [InlineData("10.0.0.1/32 10.0.0.3/32", "10.0.0.1/32 10.0.0.2/32", false)]
    [InlineData("::/0", "10.0.0.1/32", false)]
    public void A_set_contains_what_has_no_other_addresses(string outer, string inner, bool contains) =>
        Assert.Equal(contains, Of(outer).Contains(Of(inner)));

    /// <summary>Against a set of addresses that is really a set, in a corner of each family where all addresses can be counted.</summary>
    [Fact]
    public void Any_prefixes_are_the_set_of_their_addresses_in_one_form()
    {
        const int Seed = 3779;
        var random = new Random(Seed);
        for (int round = 0; round < 1000; round++)
        {
            List<IpPrefix> prefixes = [.. Enumerable.Range(0, 1 + random.Next(12)).Select(_ => AnyPrefix(random))];
            IpPrefix[] shuffled = [.. prefixes];
            random.Shuffle(shuffled);
            HashSet<string> addresses = [.. prefixes.SelectMany(AddressesOf)];
            AddressBlocks blocks = AddressBlocks.Of(prefixes);
            string which = $"seed {Seed}, round {round}: {string.Join(' ', prefixes)}";

            Assert.True(addresses.SetEquals(blocks.Prefixes.SelectMany(AddressesOf)), which);
            Assert.True(addresses.Count == blocks.Prefixes.Sum(prefix => AddressesOf(prefix).Count()), $"Prefixes overlap. {which}");
            Assert.Equal(blocks.Prefixes.Select(prefix => prefix.ToString()), AddressBlocks.Of(blocks.Prefixes).Prefixes.Select(prefix => prefix.ToString()));
            byte[] der = Encode(blocks);
            Assert.Equal(der, Encode(AddressBlocks.Of(shuffled)));
            Assert.True(AddressBlocks.TryRead(der, out AddressBlocks? read), which);
            Assert.Equal(blocks, read);

            AddressBlocks other = AddressBlocks.Of([.. Enumerable.Range(0, 1 + random.Next(3)).Select(_ => AnyPrefix(random))]);
            Assert.True(addresses.IsSupersetOf(other.Prefixes.SelectMany(AddressesOf)) == blocks.Contains(other), $"{which}, {other}");
            Assert.Equal(addresses.SetEquals(other.Prefixes.SelectMany(AddressesOf)), blocks.Equals(other));
        }
    }

    // The first and the last 64 addresses of each family: what is special is at the ends.
    private static IpPrefix AnyPrefix(Random random)
    {
        bool isIPv4 = random.Next(2) == 0;
        uint offset = (uint)random.Next(64);
        bool atEnd = random.Next(2) == 0;
        IpAddress address = isIPv4
            ? IpAddress.IPv4(atEnd ? uint.MaxValue - offset : offset)
            : IpAddress.IPv6(atEnd ? UInt128.MaxValue - offset : offset);
        return new IpPrefix(address, (isIPv4 ? 32 : 128) - random.Next(7));
    }

    private static IEnumerable<string> AddressesOf(IpPrefix prefix)
    {
        int width = prefix.Address.Size * 8;
        byte[] bytes = new byte[prefix.Address.Size];
        prefix.Address.CopyTo(bytes);
        for (int i = 0; i < 1 << (width - prefix.Length); i++)
            yield return Convert.ToHexString([.. bytes[..^1], (byte)(bytes[^1] | i)]);
    }

    private static AddressBlocks Of(string prefixes) => AddressBlocks.Of(prefixes.Split(' ').Select(prefix => IpPrefix.Parse(prefix)));

    private static byte[] Encode(AddressBlocks blocks)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        blocks.Write(writer);
        return writer.Encode();
    }
}
