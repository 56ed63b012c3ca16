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
    private readonly Argument<string?> _interface = new("INTERFACE")
    {
        Description = "The interface, such as wg0; without one, all that have joined a zone.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<bool> _json = new("--json") { Description = "Print JSON: one object, or without INTERFACE an array of them." };
    private readonly NodePlaces _places = new();

    public StatusCommand()
        : base("status", "Show zones and their peers, a device, and what it has dropped and why.")
    {
        Arguments.Add(_interface);
        Options.Add(_json);
        _places.AddTo(this);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        bool asJson = call.GetValue(_json);
        if (call.GetValue(_interface) is { } name)
        {
            ShowOne(_places.Of(call, name), asJson);
            return 0;
        }
        IReadOnlyList<string> joined = NodeFolder.Joined(_places.StateDirectory(call));
        if (joined.Count == 0 && !asJson)
            throw new UserError("This machine has joined no zone. 'kedge up --join-file FILE' joins one; 'kedge status INTERFACE' shows another device.");
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

    private static void ShowOne(NodePlace place, bool asJson)
    {
        using NodeView? view = NodeView.Read(place);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        if (view is null)
        {
            using DeviceStatus status = UapiClient.GetStatus(place.RuntimeDirectory, place.Interface);
            Console.Out.Write(asJson ? StatusJson.Format(place.Interface, status) : StatusText.Format(place.Interface, status, now));
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
