using System.CommandLine;
using System.Net.Sockets;
using Kedge.Node.Connecting;
using Kedge.Protocol.Ip;

namespace Kedge.Commands.Node;

/// <summary>The STUN servers that a call names.</summary>
internal sealed class StunOption
{
    private readonly Option<string[]> _option = new("--stun")
    {
        Description =
            "A STUN server to ask in place of the controller's; may be repeated. One with two addresses (RFC 5780) tells most.",
        HelpName = "HOST[:PORT]",
        AllowMultipleArgumentsPerToken = false,
        CustomParser = result =>
        [
            .. result.Tokens.Select(token =>
            {
                string? server = StunServerName.Read(token.Value);
                if (server is null)
                    result.AddError($"--stun is '{token.Value}', but {StunServerName.Form}");
                return server;
            }).OfType<string>(),
        ],
        DefaultValueFactory = _ => [],
    };

    /// <summary>Adds the option to a command.</summary>
    public void AddTo(Command command) => command.Options.Add(_option);

    /// <summary>The servers, each as <c>HOST:PORT</c>.</summary>
    public string[] Read(ParseResult call) => call.GetRequiredValue(_option);

    /// <summary>The endpoints of servers; those whose names do not resolve have none.</summary>
    /// <param name="servers">The servers, each as <c>HOST:PORT</c>.</param>
    public static async Task<IReadOnlyList<Endpoint>> FindAsync(IEnumerable<string> servers)
    {
        Task<Endpoint[]>[] endpoints = [.. servers.Select(FindAsync)];
        return [.. (await Task.WhenAll(endpoints)).SelectMany(found => found).Distinct()];
    }

    private static async Task<Endpoint[]> FindAsync(string server)
    {
        try
        {
            return await EndpointName.Parse(server).ResolveAsync(CancellationToken.None);
        }
        catch (SocketException)
        {
            return [];
        }
    }
}
