using System.CommandLine;
using System.Reflection;
using Kedge.Control;
using Kedge.Linux.Processes;
using Kedge.Node.Supervision;
using Microsoft.Extensions.Logging;

namespace Kedge.Commands.Controller;

/// <summary><c>kedge controller</c>: runs a network.</summary>
internal sealed class ControllerCommand : Command
{
    /// <summary>Where a controller keeps its data where nothing else is said.</summary>
    public const string DefaultDataDirectory = "/var/lib/kedge-controller";

    /// <summary>Two are enough where TLS is little of the work, and keep a tenth of the memory of a thousand nodes that come and go.</summary>
    private const int MostArenas = 2;

    /// <summary>How often what gone connections have left behind is looked for.</summary>
    private static readonly TimeSpan MemoryInterval = TimeSpan.FromSeconds(15);

    private readonly ControllerOptions _options = new();
    private readonly Option<string> _dataDirectory = DataDirectoryOption();

    private readonly Option<string> _logLevel = Setting.Choice(
        "--log-level", "KEDGE_LOG_LEVEL", LineLog.Levels, LineLog.DefaultLevel(), "How much to tell on standard error.");

    public ControllerCommand()
        : base("controller", "Run a network: its zones, addresses and nodes.")
    {
        _options.AddTo(this);
        Options.Add(_dataDirectory);
        Options.Add(_logLevel);
        Subcommands.Add(new AdminTokenCommand());
        Subcommands.Add(new BackupCommand());
        Subcommands.Add(new RestoreCommand());
        Subcommands.Add(new RotateCommand());
        Subcommands.Add(new DescribeInterfaceCommand());
        SetAction(call =>
        {
            RunAsync(call).GetAwaiter().GetResult();
            return 0;
        });
    }

    /// <summary>A new option that says where the data is, for one command.</summary>
    public static Option<string> DataDirectoryOption() => Setting.Text(
        "--data-dir", "DIRECTORY", "KEDGE_CONTROLLER_DATA_DIR", DefaultDataDirectory, "Where the controller keeps what it must not lose.");

    private async Task RunAsync(ParseResult call)
    {
        NativeHeap.LimitArenas(MostArenas);
        ILogger log = new LineLog("controller", LineLog.ParseLevel(call.GetRequiredValue(_logLevel)), path: null);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var signals = new EndSignals(() => ended.TrySetResult());
        string dataDirectory = Path.GetFullPath(call.GetRequiredValue(_dataDirectory));
        var settings = _options.Apply(call, new ControllerSettings
        {
            DataDirectory = dataDirectory,
            Version = typeof(ControllerCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion,
        });
        await using Control.Controller controller = await Control.Controller.StartAsync(settings, TimeProvider.System, log);
        Tell(controller, dataDirectory);
        Log.ControllerReady(log, controller.Url);
        ServiceNotification.Ready($"Serves {controller.Url}");
        using var memory = new Timer(_ => ReturnMemory(), null, MemoryInterval, MemoryInterval);
        await ended.Task;
        ServiceNotification.Stopping();
        Log.EndsBySignal(log);
    }

    // A connection lives long, so that what it leaves behind is old when it ends. The collector looks for that rarely, because it sees only
    // the smaller half of it: the rest is OpenSSL's.
    private static void ReturnMemory()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: false);
        NativeHeap.ReturnFree();
    }

    private static void Tell(Control.Controller controller, string dataDirectory)
    {
        Console.Out.WriteLine($"network    {controller.NetworkId} ({(controller.IsLocked ? "locked" : "managed")})");
        Console.Out.WriteLine($"address    {controller.Url.GetLeftPart(UriPartial.Authority)}");
        Console.Out.WriteLine($"join line  {controller.JoinLineForm}");
        Console.Out.WriteLine("           'kedge token create' prints one with a token; 'kedge up' reads it from a file, standard input or KEDGE_JOIN.");
        if (controller.Url.IsLoopback)
        {
            const int Port = ControllerSettings.DefaultPort;
            Console.Out.WriteLine(
                "           Only this machine can use that address. For others: "
                + $"kedge controller --listen 0.0.0.0:{Port} --url https://NAME:{Port}, where NAME is a name or an address of this machine.");
        }
        if (controller.NewAdministratorToken is not { } token)
            return;
        string file = Control.Controller.AdministratorTokenFileOf(dataDirectory);
        Console.Out.WriteLine($"administrator token in {file}");
        if (!Console.IsOutputRedirected)
            Console.Out.WriteLine($"           {token}");
    }
}
