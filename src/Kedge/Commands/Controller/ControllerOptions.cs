using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using Kedge.Control;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;

namespace Kedge.Commands.Controller;

/// <summary>What a controller is asked for, as options with a variable each.</summary>
internal sealed class ControllerOptions
{
    private const string ListenVariable = "KEDGE_CONTROLLER_LISTEN";
    private const string UrlVariable = "KEDGE_CONTROLLER_URL";
    private const string StunServerVariable = "KEDGE_CONTROLLER_STUN_SERVER";
    private const string ProxyProtocolVariable = "KEDGE_CONTROLLER_PROXY_PROTOCOL_FROM";

    private readonly Option<IPEndPoint[]> _listen = new("--listen")
    {
        Description = $"Where to listen, by TCP; may be repeated. Loopback unless told otherwise. [env: {ListenVariable}]",
        HelpName = "ADDRESS:PORT",
        CustomParser = result => [.. result.Tokens.Select(token => ReadListen(result, token.Value, "--listen")).OfType<IPEndPoint>()],
        DefaultValueFactory = result => FromEnvironment(ListenVariable) is { } value
            ? [.. value.Split(',').Select(one => ReadListen(result, one, ListenVariable)).OfType<IPEndPoint>()]
            : [new(IPAddress.Loopback, ControllerSettings.DefaultPort)],
    };

    private readonly Option<Uri[]> _url = new("--url")
    {
        Description =
            "The address that nodes are told, also those that have joined; may be repeated: join lines have the first, and nodes try the others "
            + $"too. The first that it listens on unless told otherwise. [env: {UrlVariable}]",
        HelpName = "URL",
        CustomParser = result => [.. result.Tokens.Select(token => ReadUrl(result, token.Value, "--url")).OfType<Uri>()],
        DefaultValueFactory = result => FromEnvironment(UrlVariable) is { } value
            ? [.. value.Split(',').Select(one => ReadUrl(result, one, UrlVariable)).OfType<Uri>()]
            : [],
    };

    private readonly Option<string> _locked = Setting.Text(
        "--locked", "MASTER.pem", "KEDGE_CONTROLLER_LOCKED", "",
        "A locked network: the certificate of the master, whose key is elsewhere. Needed at the first start only.");

    private readonly Option<int> _stunPort = Setting.Number(
        "--stun-port", "KEDGE_CONTROLLER_STUN_PORT", 0, ushort.MaxValue, StunServer.DefaultPort,
        "The UDP port at which nodes learn how they are seen from outside (STUN); 0 for none.");

    private readonly Option<int?> _stunOtherPort = Setting.Number(
        "--stun-other-port", "KEDGE_CONTROLLER_STUN_OTHER_PORT", 0, ushort.MaxValue,
        "The UDP port from which STUN answers too, which shows nodes what a NAT lets in: the one after --stun-port unless told otherwise; "
        + "0 for none.");

    private readonly Option<string[]> _stunServer = new("--stun-server")
    {
        Description =
            $"A STUN server that nodes are to ask, in place of this controller's own, such as where --url is a load balancer's; may be repeated. "
            + $"[env: {StunServerVariable}]",
        HelpName = "HOST[:PORT]",
        CustomParser = result => [.. result.Tokens.Select(token => ReadStunServer(result, token.Value, "--stun-server")).OfType<string>()],
        DefaultValueFactory = result => FromEnvironment(StunServerVariable) is { } value
            ? [.. value.Split(',').Select(one => ReadStunServer(result, one, StunServerVariable)).OfType<string>()]
            : [],
    };

    private readonly Option<IpPrefix[]> _proxyProtocol = new("--proxy-protocol-from")
    {
        Description =
            "Addresses of TCP load balancers that send a PROXY protocol header (version 2) before each connection; may be repeated. The header is "
            + $"required from them and refused from anywhere else. [env: {ProxyProtocolVariable}]",
        HelpName = "PREFIX",
        CustomParser = result => [.. result.Tokens.Select(token => ReadPrefix(result, token.Value, "--proxy-protocol-from"))],
        DefaultValueFactory = result => FromEnvironment(ProxyProtocolVariable) is { } value
            ? [.. value.Split(',').Select(one => ReadPrefix(result, one, ProxyProtocolVariable))]
            : [],
    };

    private readonly Option<int> _auditDays = Setting.Number(
        "--audit-days", "KEDGE_CONTROLLER_AUDIT_DAYS", 0, 36_500, ControllerSettings.DefaultAuditDays,
        "After how many days an entry of the audit log is removed; 0 for never.");

    private readonly Option<int> _auditEntries = Setting.Number(
        "--audit-entries", "KEDGE_CONTROLLER_AUDIT_ENTRIES", 1000, 100_000_000, ControllerSettings.DefaultAuditEntries,
        "How many entries of the audit log are kept; the oldest are removed first.");

    /// <summary>All of them, but the master of a locked network.</summary>
    public IReadOnlyList<Option> All => [_listen, _url, _stunPort, _stunOtherPort, _stunServer, _proxyProtocol, _auditDays, _auditEntries];

    /// <summary>The file with the certificate of a locked network's master; empty for a managed network, or for what is there.</summary>
    public string LockedMaster(ParseResult call) => call.GetRequiredValue(_locked);

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        _listen.AllowMultipleArgumentsPerToken = _url.AllowMultipleArgumentsPerToken = false;
        _stunServer.AllowMultipleArgumentsPerToken = _proxyProtocol.AllowMultipleArgumentsPerToken = false;
        foreach (Option option in (Option[])[.. All, _locked])
            command.Options.Add(option);
        command.Validators.Add(result =>
        {
            // By the words, because options that cannot be read have no value yet to ask for.
            IEnumerable<string> listen = result.GetResult(_listen)?.Tokens.Select(token => token.Value) ?? [];
            bool hasUrl = result.GetResult(_url) is { Tokens.Count: > 0 } || FromEnvironment(UrlVariable) is not null;
            if (!hasUrl && listen.Concat(FromEnvironment(ListenVariable)?.Split(',') ?? []).Any(IsEverywhere))
            {
                result.AddError(
                    "A controller that listens on all addresses must be told which one nodes are to use: --url https://NAME:PORT");
            }
        });
    }

    /// <summary>What a call asks for.</summary>
    /// <exception cref="UserError">Both STUN ports are the same.</exception>
    public ControllerSettings Apply(ParseResult call, ControllerSettings settings) => settings with
    {
        Listen = call.GetRequiredValue(_listen),
        Urls = call.GetRequiredValue(_url),
        StunServers = call.GetRequiredValue(_stunServer),
        StunPort = call.GetRequiredValue(_stunPort),
        StunOtherPort = OtherPort(call),
        ProxyProtocolFrom = call.GetRequiredValue(_proxyProtocol),
        AuditDays = call.GetRequiredValue(_auditDays),
        AuditEntries = call.GetRequiredValue(_auditEntries),
        LockedMaster = LockedMaster(call) is { Length: > 0 } file ? file : null,
    };

    private int? OtherPort(ParseResult call)
    {
        int? port = call.GetValue(_stunOtherPort);
        return port is null or 0 || port != call.GetRequiredValue(_stunPort)
            ? port
            : throw new UserError($"--stun-other-port is {port}, which is --stun-port already: name another one, or 0 for none.");
    }

    private static string? FromEnvironment(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;

    private static bool IsEverywhere(string text) =>
        Endpoint.TryParse(text, out Endpoint endpoint) && endpoint.Address.ToString() is "0.0.0.0" or "::";

    private static IPEndPoint? ReadListen(ArgumentResult result, string text, string source)
    {
        if (Endpoint.TryParse(text, out Endpoint endpoint) && endpoint.ScopeId == 0)
            return new IPEndPoint(endpoint.Address.ToIPAddress(), endpoint.Port);
        const int Port = ControllerSettings.DefaultPort;
        result.AddError($"{source} is '{text}', but must be an address and a port, such as 0.0.0.0:{Port} or [::]:{Port}.");
        return null;
    }

    private static IpPrefix ReadPrefix(ArgumentResult result, string text, string source)
    {
        if (!IpPrefix.TryParse(text, out IpPrefix prefix))
            result.AddError($"{source} is '{text}', but must be a prefix such as 10.0.0.0/24 or 2001:db8::/64, or an address.");
        return prefix;
    }

    private static string? ReadStunServer(ArgumentResult result, string text, string source)
    {
        string? server = StunServerName.Read(text);
        if (server is null)
            result.AddError($"{source} is '{text}', but {StunServerName.Form}");
        return server;
    }

    private static Uri? ReadUrl(ArgumentResult result, string text, string source)
    {
        if (Uri.TryCreate(text, UriKind.Absolute, out Uri? url)
            && url is { Scheme: "https", PathAndQuery: "/", UserInfo: "", Fragment: "" })
            return url;
        result.AddError($"{source} is '{text}', but must be https://NAME:PORT without a path.");
        return null;
    }
}
