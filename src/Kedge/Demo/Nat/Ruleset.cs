using System.Globalization;

namespace Kedge.Demo.Nat;

/// <summary>The rules of nftables that make a <see cref="Gateway"/> what its settings say.</summary>
/// <param name="settings">What it does.</param>
/// <param name="wan">The interface towards the network outside; every other one is inside.</param>
/// <param name="address">Its IPv4 address outside.</param>
/// <param name="ports">The range of mapped ports, as <c>2000-9999</c>; null keeps local ports where they are free.</param>
internal sealed class Ruleset(GatewaySettings settings, string wan, string address, string? ports)
{
    /// <summary>Where mapped ports are that are to differ from local ones: below those that the kernel chooses by itself.</summary>
    public const string OtherPorts = "2000-9999";

    private const int FirstSequentialPort = 40000, SequentialPorts = 1000;

    private bool IsFilteredByPort => settings.Kind is not (NatKind.FullCone or NatKind.AddressRestricted);

    /// <summary>Whether there is a table of mappings beside the kernel's own, which finds a mapping by the mapped port alone.</summary>
    private bool HasMappings => !IsFilteredByPort || settings.Hairpins;

    private bool HasSeen => settings.Kind == NatKind.AddressRestricted || (IsFilteredByPort && settings.Hairpins);

    /// <summary>What <c>nft -f</c> takes; it replaces all rules.</summary>
    public override string ToString() => $$"""
        flush ruleset
        table inet filter {
        {{Sets()}}
            chain miniupnpd {
            }
            chain prerouting_miniupnpd {
            }
            chain postrouting_miniupnpd {
            }
            chain input {
                type filter hook input priority 0; policy accept;
                meta l4proto ipv6-icmp accept
        {{Input()}}
            }
            chain forward {
                type filter hook forward priority 0; policy drop;
        {{Forward()}}
            }
            chain early {
                type filter hook prerouting priority dstnat - 10; policy accept;
        {{Early()}}
            }
            chain prerouting {
                type nat hook prerouting priority dstnat; policy accept;
                jump prerouting_miniupnpd
        {{Prerouting()}}
            }
            chain postrouting {
                type nat hook postrouting priority srcnat; policy accept;
                jump postrouting_miniupnpd
        {{Postrouting()}}
            }
            chain learn {
                type filter hook postrouting priority srcnat + 10; policy accept;
        {{Learn()}}
            }
        }

        """;

    private string Sets()
    {
        string flags = string.Create(
            CultureInfo.InvariantCulture, $"flags dynamic,timeout; timeout {(int)settings.UdpStreamTimeout.TotalSeconds}s; size 65535;");
        string seen = IsFilteredByPort ? "inet_service . ipv4_addr . inet_service" : "inet_service . ipv4_addr";
        return Lines(
            (HasMappings, $"map mapped {{ type inet_service : ipv4_addr . inet_service; {flags} }}"),
            (settings.Hairpins, $"map outside {{ type ipv4_addr . inet_service : ipv4_addr . inet_service; {flags} }}"),
            (HasSeen, $"set seen {{ type {seen}; {flags} }}"));
    }

    // Where the gateway takes a packet that belongs to nothing, even to refuse it, the kernel keeps its tuple, and a machine inside cannot
    // have it any more.
    private string Input() => Lines(
        (!settings.AcceptsInInput, $"iifname \"{wan}\" ct state new drop"),
        (settings.Hairpins, $"ip daddr {address} meta l4proto udp drop"));

    private string Forward() => settings.BlocksUdp
        ? Lines(
            (true, $"iifname != \"{wan}\" tcp dport 443 accept"),
            (true, "meta l4proto tcp ct state established,related accept"))
        : Lines(
            (true, "ct state established,related accept"),
            (true, $"iifname != \"{wan}\" oifname \"{wan}\" accept"),
            (true, "ct status dnat accept"),
            (true, "jump miniupnpd"));

    private string Early()
    {
        string hairpin = $"iifname != \"{wan}\" ip daddr {address} meta l4proto udp";
        return Lines(
            (settings.Hairpins && HasSeen && IsFilteredByPort, $"{hairpin} update @seen {{ udp sport . ip daddr . udp dport }}"),
            (settings.Hairpins && HasSeen && !IsFilteredByPort, $"{hairpin} update @seen {{ udp sport . ip daddr }}"));
    }

    private string Prerouting()
    {
        const string Translate = "dnat ip to udp dport map @mapped";
        string filter = !HasSeen ? "" : IsFilteredByPort ? "udp dport . ip daddr . udp sport @seen " : "udp dport . ip daddr @seen ";
        string fromOutside = $"iifname \"{wan}\" meta nfproto ipv4 meta l4proto udp";
        return Lines(
            (settings.Kind == NatKind.FullCone, $"{fromOutside} {Translate}"),
            (settings.Kind == NatKind.AddressRestricted, $"{fromOutside} udp dport . ip saddr @seen {Translate}"),
            (settings.Hairpins, $"iifname != \"{wan}\" ip daddr {address} meta l4proto udp {filter}{Translate}"));
    }

    private string Postrouting()
    {
        string outward = $"oifname \"{wan}\" meta nfproto ipv4";
        string hairpin = $"iifname != \"{wan}\" oifname != \"{wan}\" ct status dnat meta l4proto udp";
        return Lines(
            (settings.Hairpins, $"{hairpin} snat ip to ip saddr . udp sport map @outside"),
            (settings.Hairpins, $"{hairpin} snat ip to {address}"), // the first packet of a socket that has sent nothing outward yet
            (settings.Kind == NatKind.SymmetricSequential, $"{outward} meta l4proto udp snat ip to {NextPort()}"),
            (settings.Kind == NatKind.SymmetricRandom, $"{outward} masquerade random"),
            (ports is not null, $"{outward} meta l4proto {{ tcp, udp }} masquerade to :{ports}"),
            (true, $"{outward} masquerade"));
    }

    private string NextPort()
    {
        IEnumerable<string> each = Enumerable.Range(0, SequentialPorts)
            .Select(number => string.Create(CultureInfo.InvariantCulture, $"{number} : {address} . {FirstSequentialPort + number}"));
        return string.Create(CultureInfo.InvariantCulture, $"numgen inc mod {SequentialPorts} map {{ {string.Join(", ", each)} }}");
    }

    // Behind the translation, so that the reply's destination is the mapped port.
    private string Learn()
    {
        string outward = $"oifname \"{wan}\" meta nfproto ipv4 meta l4proto udp ct direction original";
        string hairpin = $"iifname != \"{wan}\" oifname != \"{wan}\" ct status dnat meta l4proto udp ct direction original";
        const string Inside = "ct original ip saddr . ct original proto-src", Outside = "ct reply ip daddr . ct reply proto-dst";
        return Lines(
            (HasMappings, $"{outward} update @mapped {{ ct reply proto-dst : {Inside} }}"),
            (settings.Hairpins, $"{outward} update @outside {{ {Inside} : {Outside} }}"),
            (settings.Hairpins, $"{hairpin} update @mapped {{ ct reply proto-dst : {Inside} }}"),
            (settings.Hairpins, $"{hairpin} update @outside {{ {Inside} : {Outside} }}"),
            (settings.Kind == NatKind.AddressRestricted, $"{outward} update @seen {{ ct reply proto-dst . ip daddr }}"));
    }

    private static string Lines(params ReadOnlySpan<(bool Condition, string Line)> lines)
    {
        List<string> chosen = [];
        foreach ((bool condition, string line) in lines)
        {
            if (condition)
                chosen.Add(line);
        }
        return string.Join('\n', chosen);
    }
}
