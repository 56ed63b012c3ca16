namespace Kedge.Demo.Nat;

/// <summary>A real miniupnpd, which maps ports for machines inside by NAT-PMP and PCP.</summary>
internal static class Miniupnpd
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Starts it, and waits until it can be asked.</summary>
    /// <param name="gateway">Where; the table <c>inet filter</c> there has the three chains that are named after it.</param>
    /// <param name="wan">The interface towards the network outside, whose address must look public.</param>
    /// <param name="lan">The interface that it is asked at.</param>
    /// <param name="inside">Whose ports it maps.</param>
    /// <exception cref="CommandException">It did not start.</exception>
    public static RunningProcess Start(Host gateway, string wan, string lan, string inside)
    {
        string folder = Directory.CreateDirectory(Path.Combine(gateway.Topology.TempFolder, $"{gateway}-miniupnpd")).FullName;
        string configuration = Path.Combine(folder, "miniupnpd.conf");
        File.WriteAllText(configuration, $"""
            ext_ifname={wan}
            listening_ip={lan}
            enable_natpmp=yes
            enable_upnp=no
            ipv6_disable=yes
            http_port=5000
            min_lifetime=5
            max_lifetime=86400
            secure_mode=yes
            system_uptime=no
            lease_file={folder}/leases
            uuid=3f4e5a4e-6f1b-4a6f-9d60-1d9c2f0e5b7a
            upnp_table_name=filter
            upnp_nat_table_name=filter
            upnp_forward_chain=miniupnpd
            upnp_nat_chain=prerouting_miniupnpd
            upnp_nat_postrouting_chain=postrouting_miniupnpd
            allow 1024-65535 {inside} 1024-65535
            deny 0-65535 0.0.0.0/0 0-65535
            """);
        RunningProcess process = gateway.Start("miniupnpd", "-d", "-f", configuration, "-P", $"{folder}/pid");
        process.WaitForLine("Listening for NAT-PMP", StartTimeout);
        return process;
    }
}
