using System.CommandLine;
using Kedge.Commands.Node;
using Kedge.Node.ControlLink;
using Kedge.Node.Uapi;
using Kedge.Protocol;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Commands;

/// <summary>
/// <c>kedge status [INTERFACE]</c>: what a device does, and for a joined interface its zone and the peers by name; for a person or as JSON.
/// Shows no secret.
/// </summary>
internal sealed class StatusCommand : Command
{
    private const string NothingJoined =
        "This machine has joined no zone. 'kedge up --join-file FILE' joins one; 'kedge status INTERFACE' shows another device.";

    private readonly Argument<string?> _interface = new("INTERFACE")
    {
        Description = "The interface, such as wg0; without one, all that have joined a zone.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<bool> _json = new("--json") { Description = "Print JSON: one object, or without INTERFACE an array of them." };
    private readonly Option<bool> _check = new("--check")
    {
        Description = "Say whether the interface is healthy, and why not: exit code 0 or 1.",
    };

    private readonly Option<int> _maximumAge = new("--max-age")
    {
        Description =
            "With --check: how many seconds old the last handshake and the last post-quantum key exchange with each peer may be. "
            + "A peer without keepalive has no handshake while it is idle. Nodes of a zone may have idle peers.",
        HelpName = "S",
        DefaultValueFactory = _ => (int)HealthCheck.DefaultMaximumAge.TotalSeconds,
    };

    private readonly NodePlaces _places = new();

    public StatusCommand()
        : base("status", "Show zones and their peers, a device, and what it has dropped and why.")
    {
        Arguments.Add(_interface);
        Options.Add(_json);
        Options.Add(_check);
        Options.Add(_maximumAge);
        _maximumAge.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() <= 0)
                result.AddError("--max-age must be a number of seconds above 0.");
        });
        Validators.Add(result =>
        {
            if (result.GetResult(_maximumAge) is { Implicit: false } && !result.GetValue(_check))
                result.AddError("--max-age is for --check alone.");
        });
        _places.AddTo(this);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        bool asJson = call.GetValue(_json);
        if (call.GetValue(_check))
            return Check(call, asJson);
        if (call.GetValue(_interface) is { } name)
            return ShowOne(_places.Of(call, name), asJson) ? 0 : 1;
        IReadOnlyList<string> joined = NodeFolder.Joined(_places.StateDirectory(call));
        if (joined.Count == 0 && !asJson)
            throw new UserError(NothingJoined);
        NodeView[] views = [.. joined.Select(one => NodeView.Read(_places.Of(call, one))!)];
        try
        {
            Show(views, asJson);
        }
        finally
        {
            foreach (NodeView view in views)
                view.Dispose();
        }
        return 0;
    }

    private int Check(ParseResult call, bool asJson)
    {
        string? name = call.GetValue(_interface);
        IReadOnlyList<string> interfaces = name is null ? NodeFolder.Joined(_places.StateDirectory(call)) : [name];
        if (interfaces.Count == 0)
            throw new UserError(NothingJoined);
        var maximumAge = TimeSpan.FromSeconds(call.GetValue(_maximumAge));
        HealthReport[] reports = [.. interfaces.Select(one => new HealthCheck(_places.Of(call, one), maximumAge).Run())];
        if (asJson)
        {
            Console.Out.Write(StatusJson.Write(json =>
            {
                if (name is null)
                    json.WriteStartArray();
                foreach (HealthReport report in reports)
                    report.Write(json);
                if (name is null)
                    json.WriteEndArray();
            }));
        }
        else
        {
            foreach (HealthReport report in reports)
                (report.IsHealthy ? Console.Out : Console.Error).Write(report.ToText());
        }
        return reports.All(report => report.IsHealthy) ? 0 : 1;
    }

    /// <summary>Shows an interface.</summary>
    /// <returns>Whether it runs.</returns>
    private static bool ShowOne(NodePlace place, bool asJson)
    {
        using NodeView? view = NodeView.Read(place);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        if (view is null)
        {
            using DeviceStatus status = UapiClient.GetStatus(place.RuntimeDirectory, place.Interface);
            KeyExchangeAges exchanges = KeyExchangeAges.Read(place);
            Console.Out.Write(
                asJson ? StatusJson.Format(place.Interface, status, exchanges, now) : StatusText.Format(place.Interface, status, exchanges, now));
        }
        else if (asJson)
        {
            Console.Out.Write(StatusJson.Write(json => NodeStatusJson.Write(json, view, now)));
        }
        else
        {
            Console.Out.Write(NodeText.Format(view, now));
            if (view.Device is { } device)
                Console.Out.Write(StatusText.FormatCounts(device));
        }
        return view is null or { Device: not null };
    }

    private static void Show(NodeView[] views, bool asJson)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        if (!asJson)
        {
            Console.Out.Write(string.Join('\n', views.Select(view => NodeText.Format(view, now))));
            return;
        }
        Console.Out.Write(StatusJson.Write(json =>
        {
            json.WriteStartArray();
            foreach (NodeView view in views)
                NodeStatusJson.Write(json, view, now);
            json.WriteEndArray();
        }));
    }
}
