using System.CommandLine;
using Kedge.Linux.Processes;
using Kedge.Node.KeyExchange;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;
using Microsoft.Extensions.Logging;

namespace Kedge.Commands.Rosenpass;

/// <summary>How much a key exchange tells on standard error; standard output has the lines about keys alone.</summary>
internal sealed class Loudness
{
    private readonly Option<bool> _verbose = new("--verbose", "-v") { Description = "Tell more on standard error." };
    private readonly Option<bool> _quiet = new("--quiet", "-q") { Description = "Tell nothing but errors on standard error." };

    public void AddTo(Command command)
    {
        command.Options.Add(_verbose);
        command.Options.Add(_quiet);
    }

    /// <summary>The least level that is told.</summary>
    /// <param name="call">The call.</param>
    /// <param name="isVerbose">Whether the configuration asks for more.</param>
    public LogLevel Of(ParseResult call, bool isVerbose) =>
        call.GetValue(_quiet) ? LogLevel.Error
        : call.GetValue(_verbose) || isVerbose ? LogLevel.Debug
        : LogLevel.Information;
}

/// <summary><c>kedge rosenpass exchange WORD…</c>: exchanges keys as its words say.</summary>
internal sealed class ExchangeCommand : Command
{
    private readonly Argument<string[]> _words = new("WORDS")
    {
        Description =
            "public-key PATH secret-key PATH [listen ADDRESS:PORT]... [verbose], and for each peer: "
            + "peer public-key PATH [endpoint HOST:PORT] [preshared-key PATH] [outfile PATH] "
            + "[protocol-version V02|V03] [wireguard DEVICE PEER [EXTRA]...], "
            + "where EXTRA is handed to 'wg set' and ends with the next peer.",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Loudness _loudness = new();
    private readonly Option<string> _runDirectory = RunDirectory.Option();

    public ExchangeCommand()
        : base("exchange", "Exchange keys with the peers that the command line names.")
    {
        Arguments.Add(_words);
        _words.Validators.Add(result => Usage.Check(result, ExchangeArguments.Parse));
        _loudness.AddTo(this);
        Options.Add(_runDirectory);
        SetAction((call, _) =>
        {
            RosenpassConfiguration configuration = ConfigurationFile.ExpandPaths(ExchangeArguments.Parse(call.GetRequiredValue(_words)));
            return ExchangeRun.RunAsync(
                configuration, call.GetRequiredValue(_runDirectory), _loudness.Of(call, configuration.IsVerbose));
        });
    }
}

/// <summary><c>kedge rosenpass exchange-config FILE</c>: exchanges keys as a file says.</summary>
internal sealed class ExchangeConfigCommand : Command
{
    private readonly Argument<string> _file = new("FILE") { Description = "The configuration, in TOML." };
    private readonly Loudness _loudness = new();
    private readonly Option<string> _runDirectory = RunDirectory.Option();

    public ExchangeConfigCommand()
        : base("exchange-config", "Exchange keys with the peers that a configuration file names.")
    {
        Arguments.Add(_file);
        _loudness.AddTo(this);
        Options.Add(_runDirectory);
        SetAction((call, _) =>
        {
            RosenpassConfiguration configuration = ConfigurationFile.Read(call.GetRequiredValue(_file));
            return ExchangeRun.RunAsync(
                configuration, call.GetRequiredValue(_runDirectory), _loudness.Of(call, configuration.IsVerbose));
        });
    }
}

/// <summary>A key exchange as one process, from its start to its end.</summary>
internal static class ExchangeRun
{
    /// <summary>Exchanges keys until SIGTERM or SIGINT. The keys that were installed stay.</summary>
    /// <exception cref="UserError">A file or an address is not what it should be.</exception>
    public static async Task<int> RunAsync(RosenpassConfiguration configuration, string runDirectory, LogLevel level)
    {
        var signalled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var signals = new EndSignals(() => signalled.TrySetResult());
        var log = new LineLog("rosenpass", level, path: null);
        KeyExchangeSettings settings = KeyExchangeFiles.Load(configuration) with { RunDirectory = Path.GetFullPath(runDirectory) };
        using var exchange = new KeyExchange(settings, StandardStreams.WriteLine, log);
        exchange.Start();
        string ports = string.Join(", ", exchange.Ports);
        Log.ExchangesKeys(log, configuration.Peers.Count, ports);
        await await Task.WhenAny(signalled.Task, exchange.Ended);
        Log.EndsBySignal(log);
        return 0;
    }
}
