using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Kedge.Demo;
using Kedge.Protocol.Api;
using Kedge.Warp.Api;

namespace Kedge.SystemTests.Warp;

/// <summary>A listener on free ports of loopback, with connectors and targets. Disposing ends all.</summary>
internal sealed partial class WarpLab : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Topology _net = Topology.Create(); // for its folder alone
    private readonly List<IDisposable> _owned = [];

    public WarpLab(params string[] options)
    {
        Authority = Own(new WarpAuthority(_net.TempFolder, "authority"));
        ListenerFiles = Authority.Listener();
        StartListener(0, 0, options);
    }

    public WarpAuthority Authority { get; }

    public WarpFiles ListenerFiles { get; }

    public string Folder => _net.TempFolder;

    public string StateDirectory => Path.Combine(_net.TempFolder, "state");

    public RunningProcess Listener { get; private set; } = null!;

    public int QuicPort { get; private set; }

    public Uri Api { get; private set; } = null!;

    public string Token => File.ReadAllText(Path.Combine(StateDirectory, "api-token")).Trim();

    /// <summary>The options by which a command finds the listener's API.</summary>
    public string[] ApiOptions => ["--url", Api.ToString(), "--token-file", Path.Combine(StateDirectory, "api-token")];

    /// <summary>Starts the listener, at the ports that are given.</summary>
    public void StartListener(int quicPort, int apiPort, params string[] options)
    {
        Listener = Own(RunningProcess.Start(new Command(
        [
            Repository.Program, "warp", "listen", .. ListenerFiles.Options, "--address", "127.0.0.1", "--port", Text(quicPort), "--api-port", Text(apiPort),
            "--publish-address", "127.0.0.1", "--state-dir", StateDirectory, .. options,
        ])));
        Listener.WaitForLine("token       ", Patience);
        QuicPort = int.Parse(Port().Match(Listener.WaitForLine("connectors  UDP", Patience)).Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        Api = new Uri(Listener.WaitForLine("API         ", Patience)["API         ".Length..]);
    }

    /// <summary>Starts another listener with the state and the ports of the last, which has ended.</summary>
    public void StartListenerAgain() => StartListener(QuicPort, Api.Port);

    /// <summary>Starts a connector, which may not be let in.</summary>
    public RunningProcess StartConnector(WarpFiles files, params string[] options) => StartConnectorFor("localhost", files, options);

    /// <summary>Starts a connector to a listener that is certified for a name.</summary>
    public RunningProcess StartConnectorFor(string serverName, WarpFiles files, params string[] options) => Own(RunningProcess.Start(new Command(
        [Repository.Program, "warp", "connect", "--server", $"127.0.0.1:{Text(QuicPort)}", "--server-name", serverName, .. files.Options, .. options])));

    /// <summary>Starts a connector, and waits until it was let in.</summary>
    public RunningProcess Connect(string uid, params string[] options)
    {
        RunningProcess connector = StartConnector(Authority.Connector(uid), options);
        connector.WaitForLine("Connected to", Patience);
        return connector;
    }

    /// <summary>A client of the API.</summary>
    /// <param name="token">The token; null for none.</param>
    public HttpClient CreateClient(string? token)
    {
        var client = Own(new HttpClient { BaseAddress = Api });
        if (token is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    /// <summary>Opens any free port that leads to a target.</summary>
    public int Open(string uid, int target)
    {
        HttpClient client = CreateClient(Token);
        var opening = new WarpOpening { Uid = uid, Port = 0, Target = $"127.0.0.1:{Text(target)}" };
        using HttpResponseMessage answer =
            client.PostAsync("api/v1/warps", JsonContent.Create(opening, WarpJson.Default.WarpOpening)).GetAwaiter().GetResult();
        string text = answer.Content.ReadAsStringAsync().GetAwaiter().GetResult();
        Assert.True(answer.StatusCode == HttpStatusCode.Created, text);
        return System.Text.Json.JsonSerializer.Deserialize(text, WarpJson.Default.WarpPortEntry)!.Port;
    }

    /// <summary>A port of loopback that answers each connection by an action, on a thread of the pool.</summary>
    public int Serve(Func<Socket, Task> answer)
    {
        var listener = Own(new TcpListener(IPAddress.Loopback, 0));
        listener.Start(4096);
        _ = AcceptAsync(listener, answer);
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>A port of loopback that sends back what it is sent.</summary>
    public int ServeEcho() => Serve(async socket =>
    {
        byte[] buffer = new byte[64 << 10];
        int count;
        while ((count = await socket.ReceiveAsync(buffer)) > 0)
            await socket.SendAllAsync(buffer.AsMemory(0, count));
        socket.Shutdown(SocketShutdown.Send);
    });

    public T Own<T>(T disposable)
        where T : IDisposable
    {
        _owned.Add(disposable);
        return disposable;
    }

    public void Dispose()
    {
        for (int i = _owned.Count - 1; i >= 0; i--)
            _owned[i].Dispose();
        _net.Dispose();
    }

    /// <summary>Connects to a port of loopback.</summary>
    public static async Task<Socket> CallAsync(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, port);
        return socket;
    }

    private static async Task AcceptAsync(TcpListener listener, Func<Socket, Task> answer)
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await listener.AcceptSocketAsync();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
            _ = AnswerAsync(socket, answer);
        }
    }

    private static async Task AnswerAsync(Socket socket, Func<Socket, Task> answer)
    {
        using (socket)
        {
            try
            {
                await answer(socket);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The caller has gone; the test sees that at its own end.
            }
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(@":(\d+)$")]
    private static partial Regex Port();
}

/// <summary>Whole transfers, and requests.</summary>
internal static class SocketTransfers
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(40);

    /// <summary>Waits no longer than any test may.</summary>
    public static Task Within(this Task task) => task.WaitAsync(Limit);

    /// <inheritdoc cref="Within(Task)"/>
    public static Task<T> Within<T>(this Task<T> task) => task.WaitAsync(Limit);

    /// <summary>Does something beside what the test does.</summary>
    public static Task InBackground(Func<Task> action) => Task.Run(action);

    public static Task<HttpResponseMessage> CallAsync(this HttpClient client, HttpRequestMessage request) => client.SendAsync(request).Within();

    public static Task<string> TextAsync(this HttpResponseMessage answer) => answer.Content.ReadAsStringAsync().Within();

    public static Task<int> ReceiveSomeAsync(this Socket socket, byte[] buffer) => socket.ReceiveAsync(buffer);

    public static async Task SendAllAsync(this Socket socket, ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await socket.SendAsync(bytes)..];
    }

    /// <summary>Receives so many bytes, or fewer if the other end ends.</summary>
    public static async Task<byte[]> ReceiveAllAsync(this Socket socket, int most)
    {
        byte[] received = new byte[most];
        int length = 0, count;
        while (length < most && (count = await socket.ReceiveAsync(received.AsMemory(length))) > 0)
            length += count;
        return received[..length];
    }
}
