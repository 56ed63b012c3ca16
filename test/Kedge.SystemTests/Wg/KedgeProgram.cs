using Kedge.Demo;

namespace Kedge.SystemTests.Wg;

/// <summary>The program under test, called in the networks of the tests.</summary>
internal static class KedgeProgram
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>Where <c>wg</c> looks for a device's socket.</summary>
    public static string SocketOf(string interfaceName) => $"/var/run/wireguard/{interfaceName}.sock";

    /// <summary>The name <c>kedge-wg</c> for the program, in the folder of a network.</summary>
    public static string LinkAsDaemon(Topology net)
    {
        string link = Path.Combine(net.TempFolder, "kedge-wg");
        if (!File.Exists(link))
            File.CreateSymbolicLink(link, Repository.Program);
        return link;
    }

    /// <summary>A call of the program on a host, with its state in the folder of the network.</summary>
    public static Command Call(Topology net, params string[] arguments) => As(net, Repository.Program, arguments);

    /// <inheritdoc cref="Call"/>
    public static Command CallAsDaemon(Topology net, params string[] arguments) => As(net, LinkAsDaemon(net), arguments);

    /// <summary>Starts a device in the foreground on a host and waits until it can be configured.</summary>
    public static RunningProcess StartDevice(Host host, string interfaceName)
    {
        RunningProcess process = host.Start(Call(host.Topology, "wg", interfaceName));
        process.WaitForLine("Ready to be configured", Patience);
        return process;
    }

    private static Command As(Topology net, string program, string[] arguments) => new([program, .. arguments])
    {
        Environment = new Dictionary<string, string> { ["KEDGE_STATE_DIR"] = Path.Combine(net.TempFolder, "state") },
    };
}
