using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>A controller that gets another address: it is known by its pin, and its nodes follow it.</summary>
public sealed class RenamedControllerTests : IDisposable
{
    private const string Second = "192.0.2.200";

    private readonly MeshNetwork _mesh = new("--stun-server", "192.0.2.77", "--stun-server", "stun.example.net:3479");

    public void Dispose() => _mesh.Dispose();

    [Fact]
    public void Nodes_come_back_at_the_former_address_hear_of_the_new_one_and_find_the_controller_there_alone()
    {
        MeshNode node = _mesh.Join("mover"), other = _mesh.Join("another");
        other.AwaitReach(node);
        string controller = Kedge.Node.ControlLink.Membership.Read(node.Folder)!.Controller;
        Assert.Equal($"https://{MeshNetwork.ControllerAddress}:8443/", controller);
        _mesh.KillController();

        // Nobody is at the first. The certificate is for the new ones alone.
        _mesh.Listen = ["0.0.0.0:8443"];
        _mesh.Urls = ["https://192.0.2.199:8443", $"https://{Second}:8443"];
        _mesh.RestartController();

        Wait.Until(() => IsConnected(node), MeshNetwork.Patience, "the connection at the former address");
        Wait.Until(() => Controllers(node).Length == 3, MeshNetwork.Patience, "the new addresses");
        Assert.Equal(
            ["https://192.0.2.199:8443/", $"https://{Second}:8443/", $"https://{MeshNetwork.ControllerAddress}:8443/"], Controllers(node));
        _mesh.KillController();
        _mesh.ControllerHost.Ip("address", "delete", $"{MeshNetwork.ControllerAddress}/24", "dev", "eth0");
        _mesh.ControllerHost.AddAddress("eth0", $"{Second}/24");
        _mesh.RestartController();

        Wait.Until(() => IsConnected(node), 2 * MeshNetwork.Patience, "the connection at the new address");

        Assert.Equal($"https://{Second}:8443/", node.LinkStatus()!.Controller.Url);
        other.AwaitReach(node);
        Assert.Contains("192.0.2.77:3478", node.DeviceStatus().StunResults.Select(result => result.Server.ToString()));
        Assert.DoesNotContain(node.DeviceStatus().StunResults, result => result.Server.ToString() == $"{MeshNetwork.ControllerAddress}:3478");
    }

    private static string[] Controllers(MeshNode node)
    {
        var membership = Kedge.Node.ControlLink.Membership.Read(node.Folder)!;
        return [membership.Controller, .. membership.OtherControllers ?? []];
    }

    private static bool IsConnected(MeshNode node) => node.LinkStatus()?.Controller.Connected == true;
}
