using Kedge.Demo;
using Kedge.Node.Uapi;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.SystemTests.Wg;

/// <summary>A server on a socket that nobody else on the machine has, with a <see cref="DeviceModel"/> behind it.</summary>
internal sealed class UapiFixture : IDisposable
{
    private readonly Topology _names = Topology.Create();
    private readonly UapiServer _server;

    /// <param name="whereWgLooks">Whether the socket is where <c>wg</c> looks; else it is in a folder of its own.</param>
    public UapiFixture(bool whereWgLooks = false)
    {
        InterfaceName = _names.NewInterfaceName();
        Socket = UapiSocket.Listen(whereWgLooks ? UapiSocket.DefaultDirectory : _names.TempFolder, InterfaceName);
        _server = new UapiServer(Socket, Device.Status, Device.Apply, NullLogger.Instance);
    }

    public DeviceModel Device { get; } = new();

    public string InterfaceName { get; }

    public UapiSocket Socket { get; }

    public string Path => Socket.Path;

    /// <summary>Runs <c>wg</c> to its end; any exit code is fine.</summary>
    public static CommandResult Wg(params string[] arguments)
    {
        using RunningProcess process = RunningProcess.Start(new Command(["wg", .. arguments]));
        return process.WaitForExit(TimeSpan.FromSeconds(20));
    }

    /// <summary>Runs <c>wg</c>, which must succeed, and returns what it printed.</summary>
    public static string RunWg(params string[] arguments)
    {
        CommandResult result = Wg(arguments);
        Assert.True(result.Succeeded, $"wg {string.Join(' ', arguments)}: {result.Error}");
        return result.Output;
    }

    public string WriteSecret(string name, string content) => _names.WriteSecret(name, content);

    public void Dispose()
    {
        _server.DisposeAsync().AsTask().Wait();
        Socket.Dispose();
        _names.Dispose();
    }
}
