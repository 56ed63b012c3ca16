using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Warp;

namespace Kedge.Warp.Connecting;

/// <summary>To which targets a connector lets itself be sent. Immutable.</summary>
/// <param name="rules">A target is allowed if one of these allows it.</param>
public sealed class TargetRules(IReadOnlyList<TargetRule> rules)
{
    /// <summary>This machine's own ports alone.</summary>
    public static TargetRules Loopback { get; } = new([Rule("127.0.0.0/8"), Rule("::1/128")]);

    /// <summary>Anything that the machine reaches.</summary>
    public static TargetRules Everything { get; } = new([Rule("0.0.0.0/0"), Rule("::/0")]);

    /// <summary>Whether a target is allowed at an address that its host stands for. The rules are asked for each address again.</summary>
    public bool Allow(WarpTarget target, IpAddress address) => rules.Any(rule => rule.Allows(target, address));

    private static TargetRule Rule(string text) => TargetRule.TryParse(text, out TargetRule? rule) ? rule : throw new FormatException(text);
}

/// <summary>A rule: an address, a prefix or a name, and a port or none for all.</summary>
public sealed class TargetRule
{
    private readonly IpPrefix? _prefix;
    private readonly string? _name;
    private readonly ushort? _port;

    private TargetRule(IpPrefix? prefix, string? name, ushort? port) => (_prefix, _name, _port) = (prefix, name, port);

    /// <summary>Reads <c>10.0.0.0/8</c>, <c>192.0.2.1:22</c>, <c>[2001:db8::1]:80</c>, <c>db.internal</c> or <c>db.internal:5432</c>.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out TargetRule? rule)
    {
        ArgumentNullException.ThrowIfNull(text);
        rule = null;
        ushort? port = null;
        string host = text;
        int colon = text.LastIndexOf(':');
        bool hasPort = text.StartsWith('[') ? text.Contains("]:", StringComparison.Ordinal) : colon >= 0 && text.IndexOf(':') == colon;
        if (hasPort)
        {
            if (!ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort number) || number == 0)
                return false;
            (host, port) = (text[..colon], number);
        }
        host = host is ['[', .., ']'] ? host[1..^1] : host;
        if (IpPrefix.TryParse(host, out IpPrefix prefix))
        {
            rule = new TargetRule(prefix, null, port);
            return true;
        }
        if (!WarpTarget.TryCreate(host, port ?? 1, out _))
            return false;
        rule = new TargetRule(null, host, port);
        return true;
    }

    /// <summary>Whether the rule allows a target at an address that its host stands for.</summary>
    public bool Allows(WarpTarget target, IpAddress address)
    {
        ArgumentNullException.ThrowIfNull(target);
        if (_port is { } port && port != target.Port)
            return false;
        return _prefix is { } prefix ? prefix.Contains(address) : string.Equals(_name, target.Host, StringComparison.OrdinalIgnoreCase);
    }
}
