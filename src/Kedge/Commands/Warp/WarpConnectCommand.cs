using System.CommandLine;
using System.Runtime.InteropServices;
using Kedge.Node.Supervision;
using Kedge.Protocol;
using Kedge.Protocol.Warp;
using Kedge.Warp.Connecting;
using Kedge.Warp.Identity;
using Kedge.Warp.Listening;
using Microsoft.Extensions.Logging;

namespace Kedge.Commands.Warp;

/// <summary><c>kedge warp connect</c>: the end behind the firewall.</summary>
internal sealed class WarpConnectCommand : Command
{
    private const string AllowVariable = "KEDGE_WARP_ALLOW";

    private readonly Option<string> _settings = Setting.Text(
        "--settings", "FILE", "KEDGE_WARP_SETTINGS", "", $"socket-warp's settings file; {WarpSettingsFile.UsualName} in the current folder, if it is there and no --server is named.");

    private readonly Option<string> _server = Setting.Text(
        "--server", "HOST[:PORT]", "KEDGE_WARP_SERVER", "", $"The listener; port {ListenerSettings.DefaultPort} where none is named.");

    private readonly Option<string> _serverName = Setting.Text(
        "--server-name", "NAME", "KEDGE_WARP_SERVER_NAME", "", "The name that the listener's certificate must be for, where it is not the host of --server.");

    private readonly Option<string> _certificate = Setting.Text(
        "--cert", "FILE", "KEDGE_WARP_CERT", "", "The connector's certificate, PEM, with those that certify it behind it. Its common name is the uid.");

    private readonly Option<string> _key = Setting.Text("--key", "FILE", "KEDGE_WARP_KEY", "", "The key of that, PEM, unencrypted.");
    private readonly Option<string> _authorities = Setting.Text("--ca", "FILE", "KEDGE_WARP_CA", "", "The authorities that certify the listener, PEM.");
    private readonly Option<string> _revoked = Setting.Text("--crl", "FILE", "KEDGE_WARP_CRL", "", "Lists of revoked certificates, PEM or DER.");

    private readonly Option<string[]> _allow = new("--allow")
    {
        Description =
            "A target that the listener may have this machine connect to: an address, a prefix or a name, and a port unless any; may be repeated. "
            + $"Only this machine's own ports where none is named, but everything with socket-warp's settings file. [env: {AllowVariable}]",
        HelpName = "TARGET[:PORT]",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable(AllowVariable) is { Length: > 0 } value ? value.Split(',') : [],
    };

    private readonly Option<string> _logLevel = Setting.Choice(
        "--log-level", "KEDGE_LOG_LEVEL", LineLog.Levels, LineLog.DefaultLevel(), "How much to tell on standard error.");

    public WarpConnectCommand()
        : base("connect", "Connect to a listener from behind a firewall, for ever, and connect what comes by it to targets here.")
    {
        foreach (Option option in (Option[])[_settings, _server, _serverName, _certificate, _key, _authorities, _revoked, _allow, _logLevel])
            Options.Add(option);
        _allow.AllowMultipleArgumentsPerToken = false;
        SetAction(call =>
        {
            RunAsync(call).GetAwaiter().GetResult();
            return 0;
        });
    }

    private async Task RunAsync(ParseResult call)
    {
        ILogger log = new LineLog("warp", LineLog.ParseLevel(call.GetRequiredValue(_logLevel)), path: null);
        ConnectorSettings settings = Read(call);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var signals = new EndSignals(() => ended.TrySetResult(), exceptHangUp: true);
        await using WarpConnector connector = WarpConnector.Start(
            settings, TimeProvider.System, log, () => ServiceNotification.Ready($"Connected to {settings.Host}:{settings.Port}"));
        using var reload = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            connector.Reload();
        });
        Console.Out.WriteLine($"uid       {connector.Uid}");
        Console.Out.WriteLine($"listener  UDP {settings.Host}:{settings.Port}, certified for {settings.ServerName}");
        await await Task.WhenAny(ended.Task, connector.Ended);
        ServiceNotification.Stopping();
        Log.EndsBySignal(log);
    }

    private ConnectorSettings Read(ParseResult call)
    {
        string server = call.GetRequiredValue(_server), path = call.GetRequiredValue(_settings);
        if (path.Length == 0 && server.Length == 0 && File.Exists(WarpSettingsFile.UsualName))
            path = WarpSettingsFile.UsualName;
        WarpSettingsFile? file = path.Length > 0 ? WarpSettingsFile.Read(path) : null;
        string host;
        ushort port;
        if (server.Length > 0)
        {
            if (!WarpTarget.TryParse(server, out WarpTarget? target) && !WarpTarget.TryCreate(server.Trim('[', ']'), ListenerSettings.DefaultPort, out target))
                throw new UserError($"--server is '{server}', but must be HOST or HOST:PORT, such as warp.example.net:{ListenerSettings.DefaultPort}.");
            (host, port) = (target.Host, target.Port);
        }
        else if (file is not null)
        {
            (host, port) = (file.ServerName, file.ServicePort);
        }
        else
        {
            throw new UserError($"Which listener? Name it with --server, or socket-warp's settings file with --settings. There is no {WarpSettingsFile.UsualName} here.");
        }
        string[] allow = call.GetRequiredValue(_allow);
        if (allow.Length == 0 && file is not null)
            Console.Out.WriteLine("targets   everything that this machine reaches, as in socket-warp: --allow names what the listener may connect to");
        return new ConnectorSettings
        {
            Host = host,
            Port = port,
            ServerName = call.GetRequiredValue(_serverName) is { Length: > 0 } name ? name : file?.ServerName ?? host,
            Identity = new WarpIdentityFiles(
                Choose(_certificate, file?.ClientCertificatePath), Choose(_key, file?.ClientKeyPath), Choose(_authorities, file?.AuthorityPath),
                call.GetRequiredValue(_revoked) is { Length: > 0 } revoked ? revoked : null),
            Targets = allow.Length > 0 ? new TargetRules([.. allow.Select(Rule)]) : file is not null ? TargetRules.Everything : TargetRules.Loopback,
        };

        string Choose(Option<string> option, string? fromFile) =>
            call.GetRequiredValue(option) is { Length: > 0 } value
                ? value
                : fromFile ?? throw new UserError($"{option.Name} names no file: a connector needs its certificate, its key and the listener's authorities.");
    }

    private static TargetRule Rule(string text) => TargetRule.TryParse(text, out TargetRule? rule)
        ? rule
        : throw new UserError($"--allow is '{text}', but must be an address, a prefix or a name, and a port unless any: 10.0.0.0/8, 192.0.2.1:22, db.internal:5432.");
}
