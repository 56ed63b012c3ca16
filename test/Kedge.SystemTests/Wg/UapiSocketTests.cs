using System.Net.Sockets;
using Kedge.Demo;
using Kedge.Node.Uapi;
using Kedge.Protocol;

namespace Kedge.SystemTests.Wg;

public sealed class UapiSocketTests : IDisposable
{
    private readonly Topology _net = Topology.Create();

    private string Folder => Path.Combine(_net.TempFolder, "run");

    [Fact]
    public void The_socket_is_readable_and_writable_by_its_owner_alone_and_never_was_by_others()
    {
        Directory.CreateDirectory(Folder);
        string path = Path.Combine(Folder, "wg0.sock");
        var seen = new HashSet<UnixFileMode>();
        using var stop = new CancellationTokenSource();
        var watch = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    seen.Add(File.GetUnixFileMode(path));
                }
                catch (IOException)
                {
                    // Between two sockets there is none.
                }
            }
        });
        watch.Start();
        for (int i = 0; i < 300; i++)
            UapiSocket.Listen(Folder, "wg0").Dispose();
        stop.Cancel();
        watch.Join();
        Assert.Equal([UnixFileMode.UserRead | UnixFileMode.UserWrite], seen);
    }

    [Fact]
    public void What_a_dead_process_left_may_be_removed_by_somebody_else_at_any_moment()
    {
        // As any call of 'wg show' does that comes upon a socket without a listener.
        Directory.CreateDirectory(Folder);
        string path = Path.Combine(Folder, "wg0.sock");
        using var go = new Barrier(2);
        const int Rounds = 500;
        var remover = new Thread(() =>
        {
            for (int i = 0; i < Rounds; i++)
            {
                go.SignalAndWait(TestContext.Current.CancellationToken);
                File.Delete(path);
                go.SignalAndWait(TestContext.Current.CancellationToken);
            }
        });
        remover.Start();
        for (int i = 0; i < Rounds; i++)
        {
            using (var dead = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            {
                dead.Bind(new UnixDomainSocketEndPoint(path));
                File.Move(path, path + ".kept"); // or .NET would remove it with the socket
            }
            File.Move(path + ".kept", path);
            go.SignalAndWait(TestContext.Current.CancellationToken);
            using (UapiSocket.Listen(Folder, "wg0"))
                go.SignalAndWait(TestContext.Current.CancellationToken);
        }
        remover.Join();
    }

    [Fact]
    public void The_folder_is_made_where_it_does_not_exist()
    {
        using UapiSocket socket = UapiSocket.Listen(Folder, "wg0");
        Assert.Equal(0b111_101_101, (int)File.GetUnixFileMode(Folder));
        Assert.Equal(Path.Combine(Folder, "wg0.sock"), socket.Path);
    }

    [Fact]
    public void What_a_dead_process_left_is_replaced()
    {
        UapiSocket dead = UapiSocket.Listen(Folder, "wg0");
        string kept = Path.Combine(Folder, "kept");
        File.Move(dead.Path, kept);
        dead.Dispose();
        File.Move(kept, dead.Path);

        using UapiSocket socket = UapiSocket.Listen(Folder, "wg0");
        using UapiClient client = UapiClient.Connect(socket.Path);
        Assert.False(socket.Removed.IsCompleted);
    }

    [Fact]
    public void A_second_device_of_the_same_name_is_refused_in_a_sentence()
    {
        using UapiSocket first = UapiSocket.Listen(Folder, "wg0");
        UserError error = Assert.Throws<UserError>(() => UapiSocket.Listen(Folder, "wg0"));
        Assert.StartsWith($"wg0 is already run by process {Environment.ProcessId} (", error.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(first.Path));
        UapiSocket.Listen(Folder, "wg1").Dispose();
    }

    [Fact]
    public void A_device_that_wireguard_go_runs_is_left_to_it()
    {
        Host host = _net.AddHost("a");
        DeviceProcess device = DeviceProcess.StartWireGuardGo(host);
        UserError error = Assert.Throws<UserError>(() => UapiSocket.Listen(UapiSocket.DefaultDirectory, device.Name));
        Assert.StartsWith(
            $"{device.Name} is already run by process {device.Process.ProcessId} (wireguard-go)", error.Message, StringComparison.Ordinal);
        Assert.Single(device.Show("listen-port").Trim().Split('\n'));
    }

    [Fact]
    public void A_listener_that_accepts_nobody_counts_as_alive()
    {
        Directory.CreateDirectory(Folder);
        string path = Path.Combine(Folder, "wg0.sock");
        using var busy = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        busy.Bind(new UnixDomainSocketEndPoint(path));
        busy.Listen(0);
        var waiting = new List<Socket>();
        try
        {
            while (true)
            {
                var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
                waiting.Add(client);
                client.Connect(new UnixDomainSocketEndPoint(path));
            }
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.WouldBlock)
        {
            // Its queue is full now.
        }
        UserError error = Assert.Throws<UserError>(() => UapiSocket.Listen(Folder, "wg0"));
        Assert.StartsWith("wg0 is already run by", error.Message, StringComparison.Ordinal);
        waiting.ForEach(client => client.Dispose());
    }

    [Fact]
    public void A_file_that_is_no_socket_is_not_touched()
    {
        Directory.CreateDirectory(Folder);
        string path = Path.Combine(Folder, "wg0.sock");
        File.WriteAllText(path, "something");
        UserError error = Assert.Throws<UserError>(() => UapiSocket.Listen(Folder, "wg0"));
        Assert.StartsWith($"{path} is no socket.", error.Message, StringComparison.Ordinal);
        Assert.Equal("something", File.ReadAllText(path));
    }

    [Fact]
    public void A_folder_that_cannot_be_had_is_told_with_its_path()
    {
        File.WriteAllText(Folder, "");
        UserError error = Assert.Throws<UserError>(() => UapiSocket.Listen(Folder, "wg0"));
        Assert.Contains(Folder, error.Message, StringComparison.Ordinal);
        error = Assert.Throws<UserError>(() => UapiSocket.Listen(Path.Combine(_net.TempFolder, new string('x', 200)), "wg0"));
        Assert.Contains("xxx/wg0.sock", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Deleting_the_file_is_noticed()
    {
        using UapiSocket socket = UapiSocket.Listen(Folder, "wg0");
        Assert.False(socket.Removed.IsCompleted);
        File.Delete(socket.Path);
        await socket.Removed.WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_socket_that_another_has_put_in_place_of_ours_is_not_deleted()
    {
        UapiSocket ours = UapiSocket.Listen(Folder, "wg0");
        File.Delete(ours.Path);
        await ours.Removed.WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
        using UapiSocket theirs = UapiSocket.Listen(Folder, "wg0");
        ours.Dispose();
        Assert.True(File.Exists(theirs.Path));
    }

    public void Dispose() => _net.Dispose();
}
