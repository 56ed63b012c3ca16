using System.CommandLine;
using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Node.Dataplane;
using Microsoft.Extensions.Logging;

namespace Kedge.Commands;

/// <summary>What <c>kedge wg</c> is told to do.</summary>
/// <param name="InterfaceName">The interface to make.</param>
/// <param name="Mtu">Its MTU in bytes.</param>
/// <param name="RuntimeDirectory">Where its configuration socket is.</param>
/// <param name="StateDirectory">Where it keeps what must outlive it: the last timestamps used, and the state that it restores.</param>
internal sealed record WgSettings(string InterfaceName, int Mtu, string RuntimeDirectory, string StateDirectory)
{
    /// <summary>Whether the interface stays when the process ends, and is adopted by the next one.</summary>
    public bool IsPersistent { get; init; }

    /// <summary>Whether the process begins as the one before it ended, and keeps its state for the next one.</summary>
    public bool Restores { get; init; }

    /// <summary>The network namespace that the interface is in; null for the process's own, where the UDP port always is.</summary>
    public string? NetworkNamespace { get; init; }

    /// <summary>The UDP port; 0 for one of the kernel's choice.</summary>
    public ushort ListenPort { get; init; }

    /// <summary>What to do about a port that cannot be had, as a sentence.</summary>
    public string PortAdvice { get; init; } = "Choose another one.";

    /// <summary>Which of the kernel's offloads to use.</summary>
    public OffloadSetting Offload { get; init; } = new(Tun: true, Udp: true);

    /// <summary>How many queues the interface, and how many sockets the port has, where the interface can have so many.</summary>
    public int Queues { get; init; } = Dataplane.DefaultQueues;

    /// <summary>The file with the private key; null where <c>wg</c> is to set it.</summary>
    public string? PrivateKeyFile { get; init; }
}

/// <summary>
/// <c>kedge wg INTERFACE</c>: a WireGuard device, as a drop-in for wireguard-go. In the foreground, unless the program was called by the
/// name <c>kedge-wg</c>, which goes to the background as soon as the device can be configured.
/// </summary>
internal sealed class WgCommand : Command
{
    /// <summary>The name by which <c>wg-quick</c> may call this program.</summary>
    public const string DaemonName = "kedge-wg";

    /// <summary>Where devices keep what must survive a restart.</summary>
    public const string DefaultStateDirectory = "/var/lib/kedge";

    private const string ForegroundVariable = "WG_PROCESS_FOREGROUND";

    private readonly Argument<string> _interface = new("INTERFACE") { Description = "The interface to make, such as wg0." };

    private readonly Option<bool> _foreground = new("--foreground", "-f")
    {
        Description = $"Stay in the foreground also when called as {DaemonName}. [env: {ForegroundVariable}=1]",
    };

    private readonly Option<int> _mtu = Setting.Number(
        "--mtu", "KEDGE_MTU", 68, 65535, TunDevice.DefaultMtu, "Bytes of the longest packet; 'ip link set' changes it later.");

    private readonly Option<int?> _queues = Setting.Number(
        "--queues",
        "KEDGE_QUEUES",
        1,
        TunDevice.MaximumQueues,
        "Queues of the interface and sockets of the port, with two threads each. Default: half as many as processors, and at most 4.");

    private readonly Option<bool> _persistent = new("--persistent")
    {
        Description = "Leave the interface, its addresses and routes when the process ends; adopt the interface of this name if there is one.",
    };

    private readonly Option<bool> _restore = new("--restore")
    {
        Description = "Begin with the peers that the process before this one had, and keep them on disk for the next one.",
    };

    private readonly Option<string> _namespace = new("--netns")
    {
        Description = "Put the interface into a network namespace of 'ip netns'; the UDP port stays outside.",
        HelpName = "NAME",
    };

    private readonly Option<string> _privateKeyFile = new("--private-key-file")
    {
        Description = "A file with the private key, as 'wg genkey' prints it; else 'wg' sets the key.",
        HelpName = "FILE",
    };

    private readonly Option<string> _runtimeDirectory = RuntimeDirectory.Option();

    private readonly Option<string> _stateDirectory = Setting.Text(
        "--state-dir", "DIRECTORY", "KEDGE_STATE_DIR", DefaultStateDirectory, "Where to keep what must survive a restart.");

    private readonly Option<string> _offload = OffloadSetting.Option();

    private readonly Option<string> _logLevel = Setting.Choice(
        "--log-level", "KEDGE_LOG_LEVEL", LineLog.Levels, LineLog.DefaultLevel(), "How much to tell on standard error.");

    private readonly Option<string> _logFile = Setting.Text(
        "--log-file", "FILE", "KEDGE_LOG_FILE", "", "Where to append the log in place of standard error, which a daemon lacks.");

    /// <param name="inBackground">Whether to go to the background where nothing else is asked for.</param>
    public WgCommand(bool inBackground)
        : base("wg", "Run a WireGuard device that 'wg' and 'wg-quick' configure; a drop-in for wireguard-go.")
    {
        _interface.Validators.Add(result =>
        {
            string name = result.Tokens[0].Value;
            if (InterfaceName.Error(name) is { } error)
                result.AddError(error);
            else if (name.Contains('%'))
                result.AddError($"'{name}' cannot be an interface's name here: the kernel takes '%' for a pattern.");
        });
        Arguments.Add(_interface);
        Option[] options =
            [_foreground, _mtu, _persistent, _restore, _namespace, _privateKeyFile, _runtimeDirectory, _stateDirectory, _offload,
             _queues, _logLevel, _logFile];
        foreach (Option option in options)
            Options.Add(option);
        SetAction(call =>
        {
            if (inBackground && !call.GetValue(_foreground) && Environment.GetEnvironmentVariable(ForegroundVariable) != "1")
                return RunInBackground();
            return Run(call);
        });
    }

    private static int RunInBackground()
    {
        Environment.SetEnvironmentVariable(ForegroundVariable, "1");
        return Background.Start(Background.DeviceTimeout) ? 0 : 1;
    }

    private int Run(ParseResult call)
    {
        string name = call.GetRequiredValue(_interface);
        var settings = new WgSettings(
            name,
            call.GetValue(_mtu),
            Path.GetFullPath(call.GetRequiredValue(_runtimeDirectory)),
            Path.GetFullPath(call.GetRequiredValue(_stateDirectory)))
        {
            IsPersistent = call.GetValue(_persistent),
            Restores = call.GetValue(_restore),
            NetworkNamespace = call.GetValue(_namespace),
            Offload = OffloadSetting.Parse(call.GetRequiredValue(_offload)),
            Queues = call.GetValue(_queues) ?? Dataplane.DefaultQueues,
            PrivateKeyFile = call.GetValue(_privateKeyFile) is { } path ? Path.GetFullPath(path) : null,
        };
        string logFile = call.GetRequiredValue(_logFile);
        ILogger log = new LineLog(
            name, LineLog.ParseLevel(call.GetRequiredValue(_logLevel)), logFile.Length == 0 ? null : Path.GetFullPath(logFile));
        WgDevice.RunAsync(settings, log, ready: Begin).GetAwaiter().GetResult();
        return 0;

        static Task Begin()
        {
            Background.DetachAndSignalReady();
            return WgDevice.Endless;
        }
    }
}
