using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Kedge.Demo;

namespace Kedge.SystemTests.Warp;

/// <summary>What goes through a warp comes out as it went in, and as TCP means it.</summary>
public sealed class TransferTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(40);

    private readonly WarpLab _lab = new();

    public void Dispose() => _lab.Dispose();

    [Fact]
    public async Task A_quarter_of_a_gigabyte_there_and_back_is_the_same()
    {
        const int Chunk = 1 << 20, Chunks = 256;
        _lab.Connect("dev1");
        using Socket socket = await WarpLab.CallAsync(_lab.Open("dev1", _lab.ServeEcho()));
        byte[] data = RandomNumberGenerator.GetBytes(Chunk);
        using IncrementalHash sent = IncrementalHash.CreateHash(HashAlgorithmName.SHA256), received = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        Task sending = SocketTransfers.InBackground(async () =>
        {
            for (int i = 0; i < Chunks; i++)
            {
                BitConverter.TryWriteBytes(data, i);
                sent.AppendData(data);
                await socket.SendAllAsync(data);
            }
            socket.Shutdown(SocketShutdown.Send);
        });
        long length = 0;
        byte[] buffer = new byte[256 << 10];
        int count;
        while ((count = await socket.ReceiveSomeAsync(buffer).Within()) > 0)
        {
            received.AppendData(buffer, 0, count);
            length += count;
        }
        await sending.Within();

        Assert.Equal((long)Chunk * Chunks, length);
        Assert.Equal(sent.GetHashAndReset(), received.GetHashAndReset());
    }

    [Fact]
    public void Curl_gets_a_page_and_iperf_runs_with_many_streams_both_ways()
    {
        const string Page = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
        _lab.Connect("dev1");
        int web = _lab.Open("dev1", _lab.Serve(async socket =>
        {
            await socket.ReceiveSomeAsync(new byte[4096]);
            await socket.SendAllAsync(System.Text.Encoding.ASCII.GetBytes(Page));
            socket.Shutdown(SocketShutdown.Send);
        }));

        CommandResult curl = RunningProcess.Run(new Command("curl", "-sS", "--max-time", "20", $"http://127.0.0.1:{Text(web)}/"));

        Assert.Equal((0, "hello\n", ""), (curl.ExitCode, curl.Output, curl.Error));
        foreach (string direction in (string[])["--bidir", "--reverse"])
        {
            int iperf = FreePort();
            // One each: a server that has just told a client its results may be busy for a moment longer.
            _lab.Own(RunningProcess.Start(new Command("iperf3", "-s", "-1", "-p", Text(iperf), "-B", "127.0.0.1", "--forceflush")))
                .WaitForLine("Server listening", Limit);
            int measured = _lab.Open("dev1", iperf);
            CommandResult result = RunningProcess.Run(
                new Command("iperf3", "-c", "127.0.0.1", "-p", Text(measured), "-P", "8", "-n", "32M", direction) { Timeout = Limit });
            Assert.True(result.Succeeded, result.Output + result.Error);
        }
    }

    [Fact]
    public async Task Two_thousand_connections_at_once_are_each_answered()
    {
        const int Count = 2000;
        _lab.Connect("dev1");
        int port = _lab.Open("dev1", _lab.ServeEcho());
        var sockets = new Socket[Count];
        try
        {
            for (int i = 0; i < Count; i++)
                sockets[i] = await WarpLab.CallAsync(port);
            await Task.WhenAll(sockets.Select((socket, i) => socket.SendAllAsync(BitConverter.GetBytes(i)))).Within();

            byte[][] answers = await Task.WhenAll(sockets.Select(socket => socket.ReceiveAllAsync(4))).Within();

            Assert.Equal(Enumerable.Range(0, Count), answers.Select(answer => BitConverter.ToInt32(answer)));
        }
        finally
        {
            foreach (Socket? socket in sockets)
                socket?.Dispose();
        }
    }

    [Fact]
    public async Task Readers_that_stall_stall_nobody_else()
    {
        const int Stalled = 30;
        _lab.Connect("dev1");
        int flood = _lab.Open("dev1", _lab.Serve(async socket =>
        {
            byte[] much = new byte[1 << 20];
            for (int i = 0; i < 64; i++)
                await socket.SendAllAsync(much);
        }));
        int echo = _lab.Open("dev1", _lab.ServeEcho());
        var stalled = new List<Socket>();
        try
        {
            for (int i = 0; i < Stalled; i++)
            {
                stalled.Add(await WarpLab.CallAsync(flood));
                await stalled[i].ReceiveSomeAsync(new byte[1]).Within(); // it flows
            }

            using Socket other = await WarpLab.CallAsync(echo);
            byte[] data = RandomNumberGenerator.GetBytes(4 << 20);
            Task sending = other.SendAllAsync(data);
            byte[] answer = await other.ReceiveAllAsync(data.Length).Within();
            await sending;

            Assert.Equal(data, answer);
        }
        finally
        {
            stalled.ForEach(socket => socket.Dispose());
        }
    }

    [Fact]
    public async Task An_end_of_one_direction_leaves_the_other_open()
    {
        byte[] answer = RandomNumberGenerator.GetBytes(3 << 20);
        byte[] question = RandomNumberGenerator.GetBytes(2 << 20);
        var asked = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        _lab.Connect("dev1");
        int port = _lab.Open("dev1", _lab.Serve(async socket =>
        {
            asked.SetResult(await socket.ReceiveAllAsync(question.Length + 1)); // to its end
            await socket.SendAllAsync(answer);
            socket.Shutdown(SocketShutdown.Send);
        }));

        using Socket caller = await WarpLab.CallAsync(port);
        await caller.SendAllAsync(question);
        caller.Shutdown(SocketShutdown.Send);

        Assert.Equal(answer, await caller.ReceiveAllAsync(answer.Length + 1).Within());
        Assert.Equal(question, await asked.Task);
    }

    [Fact]
    public async Task An_end_that_the_target_begins_leaves_the_other_direction_open()
    {
        byte[] late = RandomNumberGenerator.GetBytes(1 << 20);
        var received = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        _lab.Connect("dev1");
        int port = _lab.Open("dev1", _lab.Serve(async socket =>
        {
            await socket.SendAllAsync("greeting"u8.ToArray());
            socket.Shutdown(SocketShutdown.Send);
            received.SetResult(await socket.ReceiveAllAsync(late.Length + 1));
        }));

        using Socket caller = await WarpLab.CallAsync(port);
        byte[] greeting = await caller.ReceiveAllAsync(100).Within();
        await caller.SendAllAsync(late);
        caller.Shutdown(SocketShutdown.Send);

        Assert.Equal("greeting"u8.ToArray(), greeting);
        Assert.Equal(late, await received.Task.Within());
    }

    [Fact]
    public async Task A_reset_at_either_end_is_a_reset_at_the_other()
    {
        var atTarget = new TaskCompletionSource<SocketError>(TaskCreationOptions.RunContinuationsAsynchronously);
        _lab.Connect("dev1");
        int resets = _lab.Open("dev1", _lab.Serve(async socket =>
        {
            await socket.ReceiveSomeAsync(new byte[1]);
            socket.Close(0);
        }));
        int isReset = _lab.Open("dev1", _lab.Serve(async socket =>
        {
            await socket.SendAllAsync(new byte[1]);
            atTarget.SetResult(await ErrorOf(socket));
        }));

        using Socket caller = await WarpLab.CallAsync(resets);
        await caller.SendAllAsync(new byte[1]);
        Assert.Equal(SocketError.ConnectionReset, await ErrorOf(caller).Within());

        Socket other = await WarpLab.CallAsync(isReset);
        await other.ReceiveAllAsync(1).Within();
        other.Close(0);
        Assert.Equal(SocketError.ConnectionReset, await atTarget.Task.Within());
    }

    [Fact]
    public async Task A_target_that_is_not_reached_is_a_reset_for_the_caller_and_told()
    {
        RunningProcess connector = _lab.Connect("dev1", "--allow", "127.0.0.0/8");
        int closed = FreePort();
        int port = _lab.Open("dev1", closed);

        Assert.Equal(SocketError.ConnectionReset, await ErrorOfCall(port));
        connector.WaitForLine($"127.0.0.1:{Text(closed)}, which the listener asks for, is not connected to: nobody listens there", Limit);
        _lab.Listener.WaitForLine("dev1 does not reach 127.0.0.1:", Limit);

        Assert.Equal("", Run("open", "dev1", "0", "192.0.2.1:80", "--json").Error);
        string list = Run("list").Output;
        int forbidden = int.Parse(list.Split('\n').First(line => line.Contains("192.0.2.1:80", StringComparison.Ordinal)).Split(' ')[0], CultureInfo.InvariantCulture);
        Assert.Equal(SocketError.ConnectionReset, await ErrorOfCall(forbidden));
        _lab.Listener.WaitForLine("the connector does not allow this target", Limit);
    }

    [Fact]
    public async Task Without_a_connector_a_caller_is_reset_at_once()
    {
        RunningProcess connector = _lab.Connect("dev1");
        int port = _lab.Open("dev1", _lab.ServeEcho());
        connector.Stop();
        _lab.Listener.WaitForLine("Connector dev1 is gone: the connector ends", Limit);

        Assert.Equal(SocketError.ConnectionReset, await ErrorOfCall(port));
        Assert.Contains("open, no connector", Run("list").Output, StringComparison.Ordinal);
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private CommandResult Run(params string[] words) =>
        RunningProcess.Run(new Command([Repository.Program, "warp", .. words, .. _lab.ApiOptions]));

    /// <summary>How a connection fails, which may be before it is seen to be there.</summary>
    private static async Task<SocketError> ErrorOfCall(int port)
    {
        try
        {
            using Socket socket = await WarpLab.CallAsync(port);
            return await ErrorOf(socket).Within();
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode;
        }
    }

    /// <summary>How receiving fails; success if the other end has ended in order.</summary>
    private static async Task<SocketError> ErrorOf(Socket socket)
    {
        try
        {
            while (await socket.ReceiveAsync(new byte[4096]) > 0)
            {
            }
            return SocketError.Success;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode;
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
