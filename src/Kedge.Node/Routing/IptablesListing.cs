using System.Text;
using System.Text.Json.Nodes;

namespace Kedge.Node.Routing;

/// <summary>
/// Puts a filter table of iptables in the words of nftables, as far as <see cref="ForwardFilter"/> asks for them: interfaces, and what
/// becomes of a packet. Whatever else a rule depends on becomes an expression that nobody knows.
/// </summary>
internal static class IptablesListing
{
    // Targets after which the rules go on: they note something, or change the packet.
    private static readonly string[] Harmless =
    [
        "AUDIT", "CLASSIFY", "CONNMARK", "CONNSECMARK", "DSCP", "LOG", "MARK", "NFLOG", "SECMARK", "SET", "TCPMSS", "TOS", "TRACE", "TTL",
        "ULOG",
    ];

    /// <summary>Translates a listing.</summary>
    /// <param name="listing">What <c>iptables -S</c> prints (iptables(8)).</param>
    /// <param name="family"><c>ip</c> or <c>ip6</c>.</param>
    /// <returns>JSON as libnftables-json(5) describes it.</returns>
    public static string ToNftables(string listing, string family)
    {
        string[][] lines = [.. listing.Split('\n').Select(line => Words(line).ToArray()).Where(words => words.Length > 1)];
        HashSet<string> chains = [.. lines.Where(words => words[0] is "-P" or "-N").Select(words => words[1])];
        // Items are added as JsonNode: the generic JsonArray.Add serializes by reflection, which a native program does not have.
        JsonArray items = [];
        foreach (string[] words in lines)
        {
            var item = new JsonObject { ["family"] = family, ["table"] = "filter" };
            if (words[0] == "-A")
            {
                item["chain"] = words[1];
                item["expr"] = Expressions(words[2..], chains);
                items.Add((JsonNode)new JsonObject { ["rule"] = item });
                continue;
            }
            item["name"] = words[1];
            if (words is ["-P", "FORWARD", var policy, ..])
                (item["type"], item["hook"], item["policy"]) = ("filter", "forward", policy == "DROP" ? "drop" : "accept");
            if (words[0] is "-P" or "-N")
                items.Add((JsonNode)new JsonObject { ["chain"] = item });
        }
        return new JsonObject { ["nftables"] = items }.ToJsonString();
    }

    private static JsonArray Expressions(string[] words, HashSet<string> chains)
    {
        JsonArray expressions = [];
        string op = "==";
        for (int i = 0; i < words.Length; i++)
        {
            string word = words[i], value = i + 1 < words.Length ? words[i + 1] : "";
            switch (word)
            {
                case "!":
                    op = "!=";
                    continue;
                case "-i" or "-o":
                    expressions.Add((JsonNode)Match(word == "-i" ? "iifname" : "oifname", op, value));
                    i++;
                    break;
                case "-m" when value == "comment":
                case "--comment":
                    i++;
                    break;
                case "-j" or "-g":
                    if (Verdict(word, value, chains) is { } verdict)
                        expressions.Add((JsonNode)verdict);
                    return expressions; // what follows are the target's own options
                default:
                    expressions.Add((JsonNode)Unknown());
                    return expressions;
            }
            op = "==";
        }
        return expressions;
    }

    private static JsonObject Match(string key, string op, string name) => new()
    {
        ["match"] = new JsonObject
        {
            ["op"] = op,
            ["left"] = new JsonObject { ["meta"] = new JsonObject { ["key"] = key } },
            ["right"] = name.EndsWith('+') ? $"{name[..^1]}*" : name,
        },
    };

    private static JsonObject? Verdict(string word, string target, HashSet<string> chains) => target switch
    {
        "ACCEPT" or "DROP" or "RETURN" or "REJECT" => new JsonObject { [target.ToLowerInvariant()] = null },
        _ when chains.Contains(target) => new JsonObject { [word == "-g" ? "goto" : "jump"] = new JsonObject { ["target"] = target } },
        _ when Harmless.Contains(target) => null,
        _ => Unknown(),
    };

    private static JsonObject Unknown() => new() { ["xt"] = null };

    // Words with blanks are in double quotes, in which a backslash takes the next character as it is.
    private static IEnumerable<string> Words(string line)
    {
        var word = new StringBuilder();
        bool isQuoted = false, isWord = false;
        for (int i = 0; i < line.Length; i++)
        {
            char c = line[i];
            if (c == '"')
                (isQuoted, isWord) = (!isQuoted, true);
            else if (isQuoted || !char.IsWhiteSpace(c))
                (_, isWord) = (word.Append(isQuoted && c == '\\' && i + 1 < line.Length ? line[++i] : c), true);
            else if (isWord)
            {
                yield return word.ToString();
                (_, isWord) = (word.Clear(), false);
            }
        }
        if (isWord)
            yield return word.ToString();
    }
}
