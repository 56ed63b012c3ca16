using System.CommandLine;
using Kedge.Commands.Rosenpass;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Commands.Rp;

/// <summary><c>kedge rp exchange FOLDER … peer FOLDER …</c>: runs a tunnel as its words say.</summary>
internal sealed class RpExchangeCommand : Command
{
    private readonly Argument<string[]> _words = new("WORDS")
    {
        Description =
            "FOLDER [dev DEVICE] [ip ADDRESS/LENGTH,...] [listen ADDRESS:PORT], and for each peer: "
            + "peer FOLDER [endpoint HOST:PORT] [persistent-keepalive SECONDS] [allowed-ips PREFIX,...] [protocol-version V02|V03]. "
            + "Rosenpass has PORT and WireGuard PORT + 1, here and at peers; the device is rosenpass0 unless set.",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly RpExchangeOptions _options;

    /// <param name="isVerbose">Whether more is told.</param>
    public RpExchangeCommand(bool isVerbose = false)
        : base("exchange", "Run a tunnel with the peers that the command line names, in user space. Needs root.")
    {
        Arguments.Add(_words);
        _words.Validators.Add(result => Usage.Check(result, RpExchangeArguments.Parse));
        _options = new RpExchangeOptions(this, isVerbose);
        SetAction((call, _) => _options.RunAsync(call, RpExchangeArguments.Parse(call.GetRequiredValue(_words))));
    }
}

/// <summary><c>kedge rp exchange-config FILE</c>: runs a tunnel as a file says.</summary>
internal sealed class RpExchangeConfigCommand : Command
{
    private readonly Argument<string> _file = new("FILE")
    {
        Description =
            "The configuration, in TOML: private_keys_dir, and perhaps dev, ip, listen, verbose; and for each of [[peers]] "
            + "public_keys_dir, and perhaps endpoint, persistent_keepalive, allowed_ips, protocol_version.",
    };

    private readonly RpExchangeOptions _options;

    /// <param name="isVerbose">Whether more is told.</param>
    public RpExchangeConfigCommand(bool isVerbose = false)
        : base("exchange-config", "Run a tunnel with the peers that a configuration file names, in user space. Needs root.")
    {
        Arguments.Add(_file);
        _options = new RpExchangeOptions(this, isVerbose);
        SetAction((call, _) =>
        {
            RpConfiguration configuration = ConfigurationFile.ReadRp(call.GetRequiredValue(_file));
            RpExchangeArguments.CheckDevice(configuration.Device);
            return _options.RunAsync(call, configuration);
        });
    }
}

/// <summary>What both ways to run a tunnel have in common.</summary>
internal sealed class RpExchangeOptions
{
    private readonly bool _isVerbose;
    private readonly Loudness _loudness = new();

    private readonly Option<string> _stateDirectory = Setting.Text(
        "--state-dir", "DIRECTORY", "KEDGE_STATE_DIR", WgCommand.DefaultStateDirectory, "Where to keep what must survive a restart.");

    private readonly Option<string> _runDirectory = RunDirectory.Option();

    public RpExchangeOptions(Command command, bool isVerbose)
    {
        _isVerbose = isVerbose;
        command.Options.Add(_stateDirectory);
        command.Options.Add(_runDirectory);
        _loudness.AddTo(command);
    }

    /// <summary>Runs a tunnel until SIGTERM or SIGINT.</summary>
    /// <exception cref="UserError">A file, an address or a route is not what it should be.</exception>
    public async Task<int> RunAsync(ParseResult call, RpConfiguration configuration)
    {
        var log = new LineLog(configuration.Device, _loudness.Of(call, _isVerbose || configuration.IsVerbose), path: null);
        string stateDirectory = Path.GetFullPath(call.GetRequiredValue(_stateDirectory));
        string runDirectory = Path.GetFullPath(call.GetRequiredValue(_runDirectory));
        await new RpTunnel(configuration, stateDirectory, runDirectory, log).RunAsync();
        return 0;
    }
}
