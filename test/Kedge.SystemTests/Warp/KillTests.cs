using System.Net;
using System.Net.Sockets;
using Kedge.Demo;

namespace Kedge.SystemTests.Warp;

/// <summary>Either end is killed while connections are made and carry bytes: none carries a wrong one, and new ones work soon.</summary>
public sealed class KillTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly WarpLab _lab = new();

    public void Dispose() => _lab.Dispose();

    [Fact]
    public async Task No_byte_is_wrong_and_new_connections_work_within_seconds_of_a_restart()
    {
        WarpFiles files = _lab.Authority.Connector("dev1");
        RunningProcess connector = Connect();
        int port = _lab.Open("dev1", _lab.ServeEcho());
        using var ending = new CancellationTokenSource();
        Task<int>[] load = [.. Enumerable.Range(0, 4).Select(seed => LoadAsync(port, seed, ending.Token))];

        for (int round = 0; round < 2; round++)
        {
            WorksWithin(port, Limit);
            _lab.Listener.Kill();
            _lab.StartListenerAgain();
            WorksWithin(port, Soon);

            connector.Kill();
            connector = Connect();
            WorksWithin(port, Soon);
        }

        await ending.CancelAsync();
        Assert.All(await Task.WhenAll(load).Within(), complete => Assert.True(complete > 0));

        RunningProcess Connect()
        {
            RunningProcess started = _lab.StartConnector(files);
            started.WaitForLine("Connected to", Limit);
            return started;
        }
    }

    /// <summary>Echoes until it is canceled; counts those that came back whole. Every byte that comes back is the one that was sent.</summary>
    private static async Task<int> LoadAsync(int port, int seed, CancellationToken ending)
    {
        await Task.Yield();
        var random = new Random(seed);
        int complete = 0;
        while (!ending.IsCancellationRequested)
        {
            byte[] data = new byte[random.Next(1, 1 << 20)];
            random.NextBytes(data);
            try
            {
                using Socket socket = await WarpLab.CallAsync(port);
                Task sending = socket.SendAllAsync(data);
                byte[] received = await Receive(socket, data.Length);
                Assert.True(received.AsSpan().SequenceEqual(data.AsSpan(0, received.Length)), $"A wrong byte; the seed was {seed}.");
                if (received.Length == data.Length)
                    complete++;
                await sending;
            }
            catch (SocketException)
            {
                // One of both ends was just killed.
            }
        }
        return complete;
    }

    private static async Task<byte[]> Receive(Socket socket, int length)
    {
        byte[] received = new byte[length];
        int count = 0;
        try
        {
            for (int part; count < length && (part = await socket.ReceiveAsync(received.AsMemory(count)).AsTask().WaitAsync(Limit)) > 0;)
                count += part;
        }
        catch (SocketException)
        {
            // What has come until then is checked all the same.
        }
        return received[..count];
    }

    private static void WorksWithin(int port, TimeSpan limit) => Wait.Until(() => Works(port), limit, "an echo through the warp");

    private static bool Works(int port)
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = (int)Limit.TotalMilliseconds };
            socket.Connect(IPAddress.Loopback, port);
            socket.Send("ping"u8);
            byte[] answer = new byte[4];
            return socket.Receive(answer) == answer.Length && answer.AsSpan().SequenceEqual("ping"u8);
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
