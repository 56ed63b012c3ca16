using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Node.Supervision;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Warp.Api;
using Kedge.Warp.Identity;
using Kedge.Warp.Listening;
using Microsoft.Extensions.Logging;

namespace Kedge.Commands.Warp;

/// <summary><c>kedge warp listen</c>: the end that connectors and callers connect to.</summary>
internal sealed class WarpListenCommand : Command
{
    /// <summary>Where a listener keeps its ports and its token where nothing else is said.</summary>
    public const string DefaultStateDirectory = "/var/lib/kedge-warp";

    /// <summary>The file with the API's token, in the state directory.</summary>
    public const string TokenFile = "api-token";

    private const string VerifierVariable = "SWL_SCEP_URL";
    private const string Certificates = "../Certs_and_Key/test/"; // as in socket-warp's README

    private readonly Option<string> _certificate = Setting.Text(
        "--cert", "FILE", "SWL_CERT_PATH", Certificates + "server.crt", "The listener's certificate, PEM, with those that certify it behind it.");

    private readonly Option<string> _key = Setting.Text("--key", "FILE", "SWL_KEY_PATH", Certificates + "server.key", "The key of that, PEM, unencrypted.");

    private readonly Option<string> _authorities = Setting.Text(
        "--ca", "FILE", "SWL_CA_PATH", Certificates + "ca.crt", "The authorities whose certificates connectors must have, PEM.");

    private readonly Option<string> _revoked = Setting.Text("--crl", "FILE", "KEDGE_WARP_CRL", "", "Lists of revoked certificates, PEM or DER.");

    private readonly Option<IpAddress> _address = Address("--address", "SWL_ADDRS", "0.0.0.0", "Where connectors connect to.");

    private readonly Option<int> _port = Setting.Number(
        "--port", "SWL_PORT", 0, ushort.MaxValue, ListenerSettings.DefaultPort, "The UDP port that connectors connect to; 0 for any that is free.");

    private readonly Option<IpAddress> _apiAddress = Address(
        "--api-address", "APIS_ADDRS", "127.0.0.1", "Where the API answers. Beyond loopback it speaks TLS, with the listener's certificate.");

    private readonly Option<int> _apiPort = Setting.Number(
        "--api-port", "APIS_PORT", 0, ushort.MaxValue, ListenerSettings.DefaultApiPort, "The TCP port of the API; 0 for any that is free.");

    private readonly Option<IpAddress> _publishAddress = Address(
        "--publish-address", "KEDGE_WARP_PUBLISH_ADDRESS", "0.0.0.0", "Where ports are opened for callers, unless a call says where.");

    private readonly Option<string> _stateDirectory = StateDirectoryOption();

    private readonly Option<bool> _unauthenticated = new("--unauthenticated-loopback")
    {
        Description = "Take calls of the API without its token from this machine, as socket-warp does from anywhere. Any user of this machine can then open ports.",
    };

    private readonly Option<string> _logLevel = Setting.Choice(
        "--log-level", "SWL_LOG_LEVEL", LineLog.Levels, LineLog.DefaultLevel(), "How much to tell on standard error.");

    public WarpListenCommand()
        : base("listen", "Let connectors and callers connect. The environment variables are those of socket-warp.")
    {
        foreach (Option option in (Option[])
            [_certificate, _key, _authorities, _revoked, _address, _port, _apiAddress, _apiPort, _publishAddress, _stateDirectory, _unauthenticated, _logLevel])
            Options.Add(option);
        SetAction(call =>
        {
            RunAsync(call).GetAwaiter().GetResult();
            return 0;
        });
    }

    /// <summary>A new option that says where a listener keeps its state, for one command.</summary>
    public static Option<string> StateDirectoryOption() => Setting.Text(
        "--state-dir", "DIRECTORY", "KEDGE_WARP_STATE_DIR", DefaultStateDirectory, "Where the listener keeps its opened ports and the API's token.");

    private async Task RunAsync(ParseResult call)
    {
        ILogger log = new LineLog("warp", LineLog.ParseLevel(call.GetRequiredValue(_logLevel)), path: null);
        if (Environment.GetEnvironmentVariable(VerifierVariable) is { Length: > 0 })
        {
            throw new UserError(
                $"{VerifierVariable} is set, but this listener asks no such server whether a certificate counts: unset it, and name a list of revoked "
                + "certificates with --crl.");
        }
        string directory = Path.GetFullPath(call.GetRequiredValue(_stateDirectory));
        string token = ReadToken(directory);
        var files = new WarpIdentityFiles(
            call.GetRequiredValue(_certificate), call.GetRequiredValue(_key), call.GetRequiredValue(_authorities),
            call.GetRequiredValue(_revoked) is { Length: > 0 } revoked ? revoked : null);
        IpAddress publishAddress = call.GetRequiredValue(_publishAddress);
        var settings = new ListenerSettings
        {
            Listen = new Endpoint(call.GetRequiredValue(_address), (ushort)call.GetRequiredValue(_port)),
            PublishAddress = publishAddress,
            Identity = files,
            StateDirectory = directory,
        };
        var apiSettings = new WarpApiSettings
        {
            Listen = new IPEndPoint(call.GetRequiredValue(_apiAddress).ToIPAddress(), call.GetRequiredValue(_apiPort)),
            Token = token,
            AllowsLoopback = call.GetValue(_unauthenticated),
            Certificate = files.Certificate,
            Key = files.Key,
        };
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var signals = new EndSignals(() => ended.TrySetResult(), exceptHangUp: true);
        await using WarpListener listener = WarpListener.Start(settings, TimeProvider.System, log);
        await using WarpApi api = await WarpApi.StartAsync(apiSettings, listener, publishAddress, log);
        using var reload = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            listener.Reload();
        });
        Tell(listener, api, directory, apiSettings.AllowsLoopback);
        ServiceNotification.Ready($"Awaits connectors at UDP {listener.Local}");
        await await Task.WhenAny(ended.Task, listener.Ended);
        ServiceNotification.Stopping();
        Log.EndsBySignal(log);
    }

    private static void Tell(WarpListener listener, WarpApi api, string directory, bool allowsLoopback)
    {
        Console.Out.WriteLine($"connectors  UDP {listener.Local}");
        Console.Out.WriteLine($"API         {api.Address}");
        Console.Out.WriteLine($"token       {Path.Combine(directory, TokenFile)}");
        Console.Out.WriteLine(allowsLoopback
            ? "            Calls from this machine are taken without it; socket-warp takes them from anywhere, at 0.0.0.0."
            : "            Every call needs it, unlike socket-warp's, whose API asks nobody who he is and answers at 0.0.0.0: see --unauthenticated-loopback.");
    }

    private static string ReadToken(string directory)
    {
        string path = Path.Combine(directory, TokenFile);
        try
        {
            Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            if (PrivateFile.TryRead(path, out byte[]? contents) && Encoding.UTF8.GetString(contents).Trim() is { Length: > 0 } kept)
                return kept;
            const int TokenBytes = 32;
            string token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(TokenBytes));
            PrivateFile.Write(path, Encoding.UTF8.GetBytes(token + "\n"));
            return token;
        }
        catch (Exception e) when (e is LinuxException or IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The listener cannot keep its state in {directory}: {e.Message}. Name another folder with --state-dir.", e);
        }
    }

    private static Option<IpAddress> Address(string name, string variable, string defaultValue, string description)
    {
        return new Option<IpAddress>(name)
        {
            Description = $"{description} [env: {variable}]",
            HelpName = "ADDRESS",
            CustomParser = result => Read(result, result.Tokens[0].Value, name),
            DefaultValueFactory = result => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value
                ? Read(result, value, variable)
                : IpAddress.Parse(defaultValue),
        };

        static IpAddress Read(ArgumentResult result, string text, string source)
        {
            if (!IpAddress.TryParse(text, out IpAddress address))
                result.AddError($"{source} is '{text}', but must be an address of this machine, such as 127.0.0.1, 0.0.0.0 or ::.");
            return address;
        }
    }
}
