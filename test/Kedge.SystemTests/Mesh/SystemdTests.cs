using System.Net.Sockets;
using System.Text;
using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>The units in <c>deploy/systemd</c>, and what the programs tell the service manager.</summary>
public sealed class SystemdTests(MeshPair pair) : IClassFixture<MeshPair>
{
    [Fact]
    public void Systemd_finds_nothing_wrong_with_the_units()
    {
        // As installed: with the program in its place, and an instance of each template.
        using var net = Topology.Create(); // for its folder alone
        string folder = Path.Combine(net.TempFolder, "units");
        Directory.CreateDirectory(folder);
        foreach (string unit in Directory.GetFiles(Repository.PathOf("deploy/systemd")))
        {
            string text = File.ReadAllText(unit);
            Assert.Contains("/usr/bin/kedge ", text, StringComparison.Ordinal);
            File.WriteAllText(Path.Combine(folder, Path.GetFileName(unit)), text.Replace("/usr/bin/kedge", Repository.Program, StringComparison.Ordinal));
        }
        using RunningProcess verify = RunningProcess.Start(new Command(
            "systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
            Path.Combine(folder, "kedge-controller.service"), Path.Combine(folder, "kedge-node@kedge0.service"), Path.Combine(folder, "kedge-link@kedge0.service")));

        CommandResult result = verify.WaitForExit(MeshNetwork.Patience);

        Assert.Equal("", result.Error + result.Output);
        Assert.Equal(0, result.ExitCode);
    }

    [Fact]
    public void A_control_link_is_ready_once_the_tunnels_are_though_the_controller_is_gone()
    {
        pair.Restore();
        (MeshNetwork mesh, MeshNode a, MeshNode b) = (pair.Mesh, pair.Alpha, pair.Beta);
        Assert.True(a.Try("down", "--interface", MeshNode.Interface).Succeeded);
        mesh.KillController();
        using var manager = new Manager(mesh.Net);
        using RunningProcess node = a.Host.Start(a.Call("wg", MeshNode.Interface, "--persistent", "--restore", "--private-key-file", a.Folder.Keys.WireGuardKey));
        node.WaitForLine("Ready to be configured", MeshNetwork.Patience);

        using RunningProcess link = a.Host.Start(manager.Under(a.Call("link", MeshNode.Interface)));

        Assert.Contains("READY=1", manager.Receive(), StringComparison.Ordinal);
        a.AwaitReach(b);
        Assert.False(a.LinkStatus()!.Controller.Connected);
    }

    [Fact]
    public void Up_is_ready_once_the_tunnels_are_and_its_children_do_not_speak_for_it()
    {
        pair.Restore();
        (MeshNetwork mesh, MeshNode a, MeshNode b) = (pair.Mesh, pair.Alpha, pair.Beta);
        Assert.True(a.Try("down", "--interface", MeshNode.Interface).Succeeded);
        mesh.KillController();
        using var manager = new Manager(mesh.Net);

        using RunningProcess up = a.Host.Start(manager.Under(a.Call("up", "--interface", MeshNode.Interface)));

        Assert.StartsWith("READY=1", manager.Receive(), StringComparison.Ordinal);
        a.AwaitReach(b);
        up.Signal(Kedge.Linux.Namespaces.ProcessSignal.Terminate);
        Assert.Equal("STOPPING=1", manager.Receive());
        Assert.Equal(0, up.WaitForExit(MeshNetwork.Patience).ExitCode);
        Assert.NotNull(a.NodeProcess);
    }

    [Fact]
    public void A_controller_is_ready_once_it_serves()
    {
        using var net = Topology.Create();
        Host host = net.AddHost("controller");
        using var manager = new Manager(net);
        var call = new Command(
            Repository.Program, "controller", "--listen", "127.0.0.1:8443", "--data-dir", Path.Combine(net.TempFolder, "data"));

        using RunningProcess controller = host.Start(manager.Under(call));

        Assert.Contains("READY=1", manager.Receive(), StringComparison.Ordinal);
        Assert.True(host.TryRun("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8443").Succeeded);
    }

    /// <summary>What a service manager hears (sd_notify(3)).</summary>
    private sealed class Manager : IDisposable
    {
        private readonly string _path;
        private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified)
        {
            ReceiveTimeout = (int)MeshNetwork.Patience.TotalMilliseconds,
        };

        public Manager(Topology net)
        {
            _path = Path.Combine(net.TempFolder, "notify");
            _socket.Bind(new UnixDomainSocketEndPoint(_path));
        }

        public Command Under(Command command) => command with
        {
            Environment = new Dictionary<string, string>(command.Environment) { ["NOTIFY_SOCKET"] = _path },
        };

        public string Receive()
        {
            byte[] buffer = new byte[4096];
            return Encoding.UTF8.GetString(buffer, 0, _socket.Receive(buffer));
        }

        public void Dispose()
        {
            _socket.Dispose();
            File.Delete(_path);
        }
    }
}
