using System.Text.Json;

namespace Kedge.Node.Routing;

/// <summary>A chain of somebody's firewall that drops forwarded packets.</summary>
/// <param name="Family">Its table's family: <c>ip</c>, <c>ip6</c> or <c>inet</c>.</param>
/// <param name="Table">Its table.</param>
/// <param name="Name">Its name.</param>
/// <param name="Siblings">All chains of the table.</param>
public sealed record BlockingChain(string Family, string Table, string Name, IReadOnlyList<string> Siblings)
{
    /// <summary>The program that puts rules into the chain, where it is one of iptables-legacy; null where it is one of nftables.</summary>
    public string? LegacyProgram { get; init; }

    /// <summary>The command that lets an interface's packets pass, in the words of whoever runs the chain.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <param name="hasIptables">Whether <c>iptables</c> is installed; else <c>nft</c> has to do.</param>
    public string CommandToOpen(string interfaceName, bool hasIptables)
    {
        if (Table == "firewalld" || Siblings.Contains("FORWARD_direct"))
            return $"firewall-cmd --permanent --zone=trusted --add-interface={interfaceName} && firewall-cmd --reload";
        if (Siblings.Contains("ufw-user-forward") || Siblings.Contains("ufw6-user-forward"))
            return $"ufw route allow in on {interfaceName} && ufw route allow out on {interfaceName}";
        // Docker leaves a chain for others, which it never touches and which is asked first.
        string chain = Siblings.Contains("DOCKER-USER") ? "DOCKER-USER" : Name;
        string? iptables = !hasIptables ? null : (Family, Table) switch
        {
            ("ip", "filter") => "iptables",
            ("ip6", "filter") => "ip6tables",
            _ => null,
        };
        if ((LegacyProgram ?? iptables) is { } program)
            return $"{program} -I {chain} -i {interfaceName} -j ACCEPT && {program} -I {chain} -o {interfaceName} -j ACCEPT";
        string place = $"nft insert rule {Family} {Table} {chain}";
        return $"{place} iifname {interfaceName} accept && {place} oifname {interfaceName} accept";
    }

    /// <inheritdoc/>
    public override string ToString() => LegacyProgram is { } program ? $"'{Name}' of {program}" : $"'{Family} {Table} {Name}'";
}

/// <summary>
/// What an nftables ruleset does with the first packet of a connection that is forwarded from or to an interface, as far as that follows from
/// the interface alone: a rule that also depends on something else, such as addresses or states, is taken not to apply.
/// </summary>
public sealed class ForwardFilter
{
    private const int MaximumDepth = 32;

    private readonly List<Chain> _chains = [];

    /// <summary>Reads a ruleset.</summary>
    /// <param name="json">What <c>nft -j list ruleset</c> prints (libnftables-json(5)).</param>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public ForwardFilter(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        foreach (JsonElement item in document.RootElement.GetProperty("nftables").EnumerateArray())
        {
            if (item.TryGetProperty("chain", out JsonElement chain))
                _chains.Add(new Chain(chain));
            else if (item.TryGetProperty("rule", out JsonElement rule))
                Find(Text(rule, "family"), Text(rule, "table"), Text(rule, "chain"))?.Rules.Add(rule.GetProperty("expr").Clone());
        }
    }

    /// <summary>Reads a filter table of iptables.</summary>
    /// <param name="listing">What <c>iptables -S</c> prints (iptables(8)).</param>
    /// <param name="family"><c>ip</c>, or <c>ip6</c> for one of ip6tables.</param>
    public static ForwardFilter OfIptables(string listing, string family) => new(IptablesListing.ToNftables(listing, family));

    private enum Verdict
    {
        Continue,
        Return,
        Accept,
        Drop,
    }

    /// <summary>The chains that drop what is forwarded from, or to, an interface.</summary>
    /// <param name="interfaceName">The interface.</param>
    /// <param name="ipv4">Whether IPv4 packets are to pass.</param>
    /// <param name="ipv6">Whether IPv6 packets are to pass.</param>
    public IEnumerable<BlockingChain> FindBlocking(string interfaceName, bool ipv4, bool ipv6) =>
        from chain in _chains
        where chain.IsForwardHook
        where (ipv4 && chain.Family is "ip" or "inet" && Drops(chain, interfaceName, "ipv4"))
            || (ipv6 && chain.Family is "ip6" or "inet" && Drops(chain, interfaceName, "ipv6"))
        select new BlockingChain(
            chain.Family,
            chain.Table,
            chain.Name,
            [.. _chains.Where(other => (other.Family, other.Table) == (chain.Family, chain.Table)).Select(other => other.Name)]);

    private bool Drops(Chain chain, string interfaceName, string protocol) =>
        Drops(chain, new Packet(interfaceName, null, protocol)) || Drops(chain, new Packet(null, interfaceName, protocol));

    private bool Drops(Chain chain, Packet packet) => Judge(chain, packet, 0) switch
    {
        Verdict.Accept => false,
        Verdict.Drop => true,
        _ => chain.Policy == "drop",
    };

    private Verdict Judge(Chain chain, Packet packet, int depth)
    {
        foreach (JsonElement rule in chain.Rules)
        {
            Verdict verdict = Judge(chain, rule, packet, depth);
            if (verdict != Verdict.Continue)
                return verdict;
        }
        return Verdict.Continue;
    }

    private Verdict Judge(Chain chain, JsonElement rule, Packet packet, int depth)
    {
        foreach (JsonElement statement in rule.EnumerateArray())
        {
            JsonProperty part = statement.EnumerateObject().First();
            switch (part.Name)
            {
                case "match" when Matches(part.Value, packet):
                case "counter" or "log" or "mangle":
                    continue;
                case "accept":
                    return Verdict.Accept;
                case "drop" or "reject":
                    return Verdict.Drop;
                case "return":
                    return Verdict.Return;
                case "jump" or "goto" when depth < MaximumDepth:
                    if (Find(chain.Family, chain.Table, Text(part.Value, "target")) is not { } target)
                        return Verdict.Continue;
                    Verdict verdict = Judge(target, packet, depth + 1);
                    if (verdict is Verdict.Accept or Verdict.Drop)
                        return verdict;
                    return part.Name == "goto" ? Verdict.Return : Verdict.Continue;
                default:
                    return Verdict.Continue; // it does not fit, or depends on what we do not know
            }
        }
        return Verdict.Continue;
    }

    private static bool Matches(JsonElement match, Packet packet)
    {
        if (!match.GetProperty("left").TryGetProperty("meta", out JsonElement meta))
            return false;
        string? actual = Text(meta, "key") switch
        {
            "iifname" or "iif" => packet.In,
            "oifname" or "oif" => packet.Out,
            "nfproto" => packet.Protocol,
            _ => null,
        };
        if (actual is null)
            return false;
        return (Text(match, "op"), IsAmong(actual, match.GetProperty("right"))) is ("==", true) or ("!=", false);
    }

    /// <summary>Whether a name is what a rule speaks of; null where that is not to be seen here.</summary>
    private static bool? IsAmong(string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String when value.GetString() is ['@', ..] => null, // a set by its name
        JsonValueKind.String when value.GetString() is [.. var prefix, '*'] => name.StartsWith(prefix, StringComparison.Ordinal),
        JsonValueKind.String => value.GetString() == name,
        JsonValueKind.Object when value.TryGetProperty("set", out JsonElement set) && set.ValueKind == JsonValueKind.Array =>
            set.EnumerateArray().Any(member => IsAmong(name, member) == true),
        _ => null,
    };

    private static string Text(JsonElement item, string key) => item.TryGetProperty(key, out JsonElement value) ? value.ToString() : "";

    private Chain? Find(string family, string table, string name) =>
        _chains.Find(chain => chain.Family == family && chain.Table == table && chain.Name == name);

    // A packet of which one interface is known; what else there is to it is not.
    private readonly record struct Packet(string? In, string? Out, string Protocol);

    private sealed class Chain(JsonElement chain)
    {
        public string Family { get; } = Text(chain, "family");

        public string Table { get; } = Text(chain, "table");

        public string Name { get; } = Text(chain, "name");

        public bool IsForwardHook { get; } = Text(chain, "hook") == "forward" && Text(chain, "type") == "filter";

        public string Policy { get; } = Text(chain, "policy");

        public List<JsonElement> Rules { get; } = [];
    }
}
