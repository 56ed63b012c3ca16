using System.CommandLine;
using System.Globalization;
using System.Net.Sockets;
using Kedge.Linux;
using Kedge.Node.Connecting;
using Kedge.Node.ControlLink;
using Kedge.Node.Uapi;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Commands.Node;

/// <summary>
/// <c>kedge knock ENDPOINT</c>: has the local node introduce itself to the node at an endpoint, by its own socket: nobody on the network can command
/// that. One knock serves both directions.
/// </summary>
internal sealed class KnockCommand : Command
{
    private const int DefaultPort = 7891;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30); // more than a knock takes to end by itself

    private readonly Argument<string> _endpoint = new("ENDPOINT")
    {
        Description = "Where the other node receives, such as 192.0.2.7:7891 or [2001:db8::7]:7891; a name may stand for the address.",
    };

    private readonly Option<string> _interface = InterfaceOption.Create();
    private readonly NodePlaces _places = new();

    public KnockCommand()
        : base("knock", "Introduce this node to another one of its network, which has no controller. From then on they reach each other.")
    {
        Arguments.Add(_endpoint);
        Options.Add(_interface);
        _places.AddTo(this);
        SetAction((call, cancellation) => RunAsync(call, call.GetRequiredValue(_endpoint), cancellation));
    }

    /// <summary>
    /// The same under the words of Rimnet: <c>knock-request --target-public-ipv4 ADDRESS [--target-public-port PORT]</c>. Which node is to knock, said
    /// there by its UDP endpoint, is said by --interface.
    /// </summary>
    public static Command CreateAlias()
    {
        var address = new Option<string>("--target-public-ipv4") { Description = "The other node's address.", HelpName = "ADDRESS", Required = true };
        var port = new Option<int>("--target-public-port", "-t")
        {
            Description = "Its UDP port.",
            HelpName = "PORT",
            DefaultValueFactory = _ => DefaultPort,
        };
        var knock = new KnockCommand();
        var alias = new Command("knock-request", "The same as 'kedge knock ADDRESS:PORT'.") { Hidden = true };
        alias.Options.Add(address);
        alias.Options.Add(port);
        alias.Options.Add(knock._interface);
        knock._places.AddTo(alias);
        alias.SetAction((call, cancellation) => knock.RunAsync(
            call, string.Create(CultureInfo.InvariantCulture, $"{call.GetRequiredValue(address)}:{call.GetValue(port)}"), cancellation));
        return alias;
    }

    private async Task<int> RunAsync(ParseResult call, string endpoint, CancellationToken cancellation)
    {
        NodePlace place = _places.Of(call, call.GetRequiredValue(_interface));
        if (Membership.Read(place.Folder) is not { } membership)
            throw new UserError($"{place.Interface} is in no network. 'kedge up --network NAME --ca FILE --cert FILE --key DIRECTORY' brings it into one.");
        if (membership.HasController)
            throw new UserError($"{place.Interface} is in a network with a controller, {membership.Controller}, which introduces its nodes.");
        Endpoint at = await ResolveAsync(endpoint, cancellation);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(Patience);
        try
        {
            KnockEnd end = await KnockAsync(place, at, patience.Token);
            if (end.Refusal is { } refusal)
                throw new UserError($"{at}: {refusal}");
            Console.Out.WriteLine(NodeCertificate.TryParse(end.Certificate.Span, out NodeCertificate? node, out _)
                ? $"{at} is node '{node.Name}', {string.Join(", ", node.Prefixes)}. Each of the two is the other's peer now."
                : $"{at}: the two nodes admit each other.");
            return 0;
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            throw new UserError($"The node process of {place.Interface} does not answer: {e.Message} 'kedge up' starts it.", e);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new UserError($"{at}: the node process has not said within {Patience.TotalSeconds} s what became of it.");
        }
    }

    private static async Task<KnockEnd> KnockAsync(NodePlace place, Endpoint at, CancellationToken cancellation)
    {
        bool isAsked = false;
        await foreach (DeviceEvent happened in UapiClient.WatchAsync(place.RuntimeDirectory, place.Interface, cancellation))
        {
            // Whoever watches is told something at once, and misses nothing from then on.
            if (!isAsked)
            {
                isAsked = true;
                using var change = new DeviceChange { KnockAt = { at } };
                UapiClient.Apply(place.RuntimeDirectory, place.Interface, change);
            }
            if (happened is KnockEnd end && end.Asked == at)
                return end;
        }
        throw new IOException("It has ended.");
    }

    private static async Task<Endpoint> ResolveAsync(string text, CancellationToken cancellation)
    {
        EndpointName name = EndpointName.TryParse(text)
            ?? throw new UserError($"'{text}' is not an endpoint such as 192.0.2.7:7891 or [2001:db8::7]:7891.");
        try
        {
            return (await name.ResolveAsync(cancellation))[0];
        }
        catch (Exception e) when (e is SocketException or LinuxException)
        {
            throw new UserError($"'{name.Host}' cannot be resolved: {e.Message}", e);
        }
    }
}
