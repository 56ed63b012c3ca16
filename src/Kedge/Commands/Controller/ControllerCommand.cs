using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using System.Reflection;
using Kedge.Control;
using Kedge.Linux.Processes;
using Kedge.Node.Supervision;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;
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

    private const string ListenVariable = "KEDGE_CONTROLLER_LISTEN";
    private const string UrlVariable = "KEDGE_CONTROLLER_URL";

    private readonly Option<IPEndPoint[]> _listen = new("--listen")
    {
        Description = $"Where to listen, by TCP; may be repeated. Loopback unless told otherwise. [env: {ListenVariable}]",
        HelpName = "ADDRESS:PORT",
        CustomParser = result => [.. result.Tokens.Select(token => ReadListen(result, token.Value, "--listen")).OfType<IPEndPoint>()],
        DefaultValueFactory = result => FromEnvironment(ListenVariable) is { } value
            ? [.. value.Split(',').Select(one => ReadListen(result, one, ListenVariable)).OfType<IPEndPoint>()]
            : [new(IPAddress.Loopback, ControllerSettings.DefaultPort)],
    };

    private readonly Option<Uri?> _url = new("--url")
    {
        Description = $"The address that nodes are told; in the server's certificate. The first that it listens on unless told otherwise. [env: {UrlVariable}]",
        HelpName = "URL",
        CustomParser = result => ReadUrl(result, result.Tokens[0].Value, "--url"),
        DefaultValueFactory = result => FromEnvironment(UrlVariable) is { } value ? ReadUrl(result, value, UrlVariable) : null,
    };

    private readonly Option<string> _dataDirectory = DataDirectoryOption();

    private readonly Option<string> _locked = Setting.Text(
        "--locked", "MASTER.pem", "KEDGE_CONTROLLER_LOCKED", "",
        "A locked network: the certificate of the master, whose key is elsewhere. Needed at the first start only.");

    private readonly Option<int> _stunPort = new("--stun-port")
    {
        Description = "The UDP port at which nodes learn how they are seen from outside (STUN); 0 for none.",
        HelpName = "PORT",
        DefaultValueFactory = _ => StunServer.DefaultPort,
    };

    private readonly Option<string> _logLevel = Setting.Choice(
        "--log-level", "KEDGE_LOG_LEVEL", LineLog.Levels, LineLog.DefaultLevel(), "How much to tell on standard error.");

    public ControllerCommand()
        : base("controller", "Run a network: its zones, addresses and nodes.")
    {
        _listen.AllowMultipleArgumentsPerToken = false;
        Option[] options = [_listen, _url, _stunPort, _dataDirectory, _locked, _logLevel];
        foreach (Option option in options)
            Options.Add(option);
        Validators.Add(result =>
        {
            if (result.GetValue(_stunPort) is < 0 or > ushort.MaxValue)
                result.AddError($"--stun-port is {result.GetValue(_stunPort)}, but must be a UDP port from 1 to {ushort.MaxValue}, or 0 for none.");
            // By the words, because options that cannot be read have no value yet to ask for.
            IEnumerable<string> listen = result.GetResult(_listen)?.Tokens.Select(token => token.Value) ?? [];
            bool hasUrl = result.GetResult(_url) is { Tokens.Count: > 0 } || FromEnvironment(UrlVariable) is not null;
            if (!hasUrl && listen.Concat(FromEnvironment(ListenVariable)?.Split(',') ?? []).Any(IsEverywhere))
                result.AddError("A controller that listens on all addresses must be told which one nodes are to use: --url https://NAME:PORT");
        });
        Subcommands.Add(new AdminTokenCommand());
        Subcommands.Add(new BackupCommand());
        Subcommands.Add(new RestoreCommand());
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

    private static string? FromEnvironment(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;

    private static bool IsEverywhere(string text) =>
        Endpoint.TryParse(text, out Endpoint endpoint) && endpoint.Address.ToString() is "0.0.0.0" or "::";

    private static IPEndPoint? ReadListen(ArgumentResult result, string text, string source)
    {
        if (Endpoint.TryParse(text, out Endpoint endpoint) && endpoint.ScopeId == 0)
            return new IPEndPoint(endpoint.Address.ToIPAddress(), endpoint.Port);
        result.AddError($"{source} is '{text}', but must be an address and a port, such as 0.0.0.0:{ControllerSettings.DefaultPort} or [::]:{ControllerSettings.DefaultPort}.");
        return null;
    }

    private static Uri? ReadUrl(ArgumentResult result, string text, string source)
    {
        if (Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && url is { Scheme: "https", PathAndQuery: "/", UserInfo: "", Fragment: "" })
            return url;
        result.AddError($"{source} is '{text}', but must be https://NAME:PORT without a path.");
        return null;
    }

    private async Task RunAsync(ParseResult call)
    {
        NativeHeap.LimitArenas(MostArenas);
        ILogger log = new LineLog("controller", LineLog.ParseLevel(call.GetRequiredValue(_logLevel)), path: null);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var signals = new EndSignals(() => ended.TrySetResult());
        string dataDirectory = Path.GetFullPath(call.GetRequiredValue(_dataDirectory));
        var settings = new ControllerSettings
        {
            DataDirectory = dataDirectory,
            Listen = call.GetRequiredValue(_listen),
            Url = call.GetValue(_url),
            StunPort = call.GetRequiredValue(_stunPort),
            LockedMaster = call.GetRequiredValue(_locked) is { Length: > 0 } file ? file : null,
            Version = typeof(ControllerCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion,
        };
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
        if (controller.NewAdministratorToken is not { } token)
            return;
        string file = Control.Controller.AdministratorTokenFileOf(dataDirectory);
        Console.Out.WriteLine($"administrator token in {file}");
        if (!Console.IsOutputRedirected)
            Console.Out.WriteLine($"           {token}");
    }
}
