namespace Kedge.Fuzz;

/// <summary>All targets.</summary>
public static class Targets
{
    /// <summary>The targets, in the order of the layers they are about.</summary>
    public static IReadOnlyList<Target> All { get; } =
    [
        new Ip.IpTextTarget(),
        new Ip.IpPacketTarget(),
        new Ip.InternetChecksumTarget(),
        new Offload.SegmenterTarget(),
        new Offload.CoalescerTarget(),
        new Certificates.CertificateTarget(),
        new Certificates.AddressBlocksTarget(),
        new Certificates.RevocationListTarget(),
        new Enrolment.JoinLineTarget(),
        new Mesh.NetworkMapTarget(),
        new Mesh.MapCacheTarget(),
        new ProxyProtocol.ProxyHeaderTarget(),
        new Warp.WarpFrameTarget(),
        new Strangers.StrangerBudgetTarget(),
        new WireGuard.DatagramTarget(),
        new Stun.StunTarget(),
        new Paths.PathTarget(),
        new Paths.FragmentTarget(),
        new Relays.StreamFrameTarget(),
        new Knock.KnockTarget(),
        new Discovery.NodeRecordTarget(),
        new Discovery.DiscoveryTarget(),
        new PortMapping.PortMappingTarget(),
        new WireGuard.PublicKeyTarget(),
        new WireGuard.Tai64NTarget(),
        new WireGuard.TimestampSourceTarget(),
        new WireGuard.AllowedIpsTarget(),
        new WireGuard.ReplayWindowTarget(),
        new WireGuard.StagedPacketsTarget(),
        new WireGuard.HandshakeTarget(),
        new WireGuard.CookieTarget(),
        new WireGuard.TransportDataTarget(),
        new WireGuard.Uapi.UapiRequestTarget(),
        new WireGuard.Uapi.UapiAnswerTarget(),
        new WireGuard.Tunnels.TunnelTarget(),
        new Rosenpass.RosenpassMessageTarget(),
        new Rosenpass.RosenpassConfigurationTarget(),
        new Rosenpass.RosenpassKeyFileTarget(),
    ];

    /// <summary>The target of a name; null when there is none.</summary>
    public static Target? Find(string name) => All.FirstOrDefault(target => target.Name == name);
}
