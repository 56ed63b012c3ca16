using System.Globalization;
using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>
/// Two nodes with a router between them, whose line to the second one carries less than all others: the node itself knows, at the other end
/// only the router does. Whoever makes it disposes it, which ends the nodes.
/// </summary>
internal sealed class SmallPath : IDisposable
{
    private static int s_last;

    private readonly Host _router;
    private readonly string _routersEnd;

    /// <summary>Brings up both nodes, with paths of one family.</summary>
    /// <param name="mesh">The network; its switch is the router.</param>
    /// <param name="overIPv6">Which family.</param>
    /// <param name="mtu">What the line carries.</param>
    /// <param name="dropsIcmp">Whether nobody is told that a packet is too long.</param>
    /// <param name="dropsFragments">Whether the router drops fragments.</param>
    /// <param name="childPrefix">A network behind the second node, whose machine has the first two addresses' second one; null for
    /// none.</param>
    public SmallPath(
        MeshNetwork mesh, bool overIPv6, int mtu = 1280, bool dropsIcmp = true, bool dropsFragments = true, string? childPrefix = null)
    {
        int number = Interlocked.Increment(ref s_last);
        string name = string.Create(CultureInfo.InvariantCulture, $"size{number}");
        string network = overIPv6
            ? FormattableString.Invariant($"2001:db8:99:{number:x}::")
            : FormattableString.Invariant($"198.18.{number}.");
        string length = overIPv6 ? "/64" : "/24";
        mesh.Administer("zone", "create", name, "--prefix", "10.77.0.0/24", "--prefix", "fd77::/64");
        string[] mayHave = childPrefix is null ? [] : ["--allow-prefix", childPrefix];
        string joinFile = mesh.WriteToken(["--zone", name, "--reusable", .. mayHave]);
        Host near = mesh.AddHost($"{name}-near"), far = mesh.Net.AddHost($"{name}-far");
        _router = mesh.Internet!.Router;
        Link line = mesh.Net.Connect(_router, far, [$"{network}1{length}"], [$"{network}2{length}"], mtu);
        _routersEnd = line.InterfaceOfA;
        far.IpBatch([$"route add {(overIPv6 ? "::/0" : "0.0.0.0/0")} via {network}1"]);
        Filter(near, far, dropsIcmp, dropsFragments);
        if (overIPv6)
            joinFile = mesh.AtIpv6(joinFile);
        (Near, Far) = (new MeshNode(mesh, near, near.Label), new MeshNode(mesh, far, far.Label));
        Near.Up("--join-file", joinFile);
        Far.Up(["--join-file", joinFile, .. childPrefix is null ? [] : (string[])["--child-prefix", childPrefix]]);
        Near.AwaitReach(Far);
    }

    /// <summary>The node whose own link carries 1,500 bytes.</summary>
    public MeshNode Near { get; }

    /// <summary>The node at the end of the small line.</summary>
    public MeshNode Far { get; }

    /// <summary>Has the line carry more or less from now on.</summary>
    public void Resize(int mtu)
    {
        string bytes = mtu.ToString(CultureInfo.InvariantCulture);
        _router.Ip("link", "set", _routersEnd, "mtu", bytes);
        Far.Host.Ip("link", "set", Far.Host.Interfaces.First(one => one != MeshNode.Interface && one != "lo"), "mtu", bytes);
    }

    /// <summary>What both nodes have logged and dropped, for a test that fails.</summary>
    public string Logs() => string.Concat(((MeshNode[])[Near, Far]).Select(node =>
        $"\n== {node.Label}: {node.Try("status", MeshNode.Interface).Output}{node.Supervisor?.Output}{node.Supervisor?.Error}"));

    public void Dispose()
    {
        foreach (MeshNode node in (MeshNode[])[Near, Far])
            node.Try("down", "--interface", MeshNode.Interface);
        _router.Ip("link", "delete", _routersEnd);
    }

    private static void Filter(Host near, Host far, bool dropsIcmp, bool dropsFragments)
    {
        // At both ends: the router is that of others too.
        foreach (Host host in (Host[])[near, far])
        {
            string from = $"iifname \"{host.Interfaces.First(one => one != "lo")}\"";
            string icmp = dropsIcmp ? $"{from} icmp type destination-unreachable drop; {from} icmpv6 type packet-too-big drop" : "";
            string fragments = dropsFragments ? $"{from} ip frag-off & 0x3fff != 0 drop; {from} exthdr frag exists drop" : "";
            host.Run(new Command("nft", "-f", "-")
            {
                Input = $$"""
                    table inet small {
                        chain before {
                            type filter hook prerouting priority -450; policy accept;
                            {{icmp}}
                            {{fragments}}
                        }
                    }

                    """,
            });
        }
    }
}
