using System.CommandLine;
using Kedge.Node.ControlLink;
using Kedge.Node.Supervision;

namespace Kedge.Commands.Node;

/// <summary>
/// <c>kedge link INTERFACE</c>: the control link of a joined interface, as a process of its own. <c>kedge up</c> runs it, and so does
/// systemd; it joins first where that was not done.
/// </summary>
internal sealed class LinkCommand : Command
{
    private readonly Argument<string> _interface = new("INTERFACE") { Description = "The interface of the zone, such as kedge0." };

    private readonly Option<bool> _prepare = new("--prepare")
    {
        Description = "Only make the folder and the keys: for whatever is to start before the control link.",
    };

    private readonly NodePlaces _places = new();
    private readonly NodeOptions _options = new();
    private readonly JoinSource _join = new();

    private readonly Option<string> _logLevel = Setting.Choice(
        "--log-level", "KEDGE_LOG_LEVEL", LineLog.Levels, LineLog.DefaultLevel(), "How much to tell on standard error.");

    private readonly Option<string> _logFile = Setting.Text(
        "--log-file", "FILE", "KEDGE_LOG_FILE", "", "Where to append the log in place of standard error.");

    public LinkCommand()
        : base("link", "Keep a node connected to its controller: what 'kedge up' runs beside the node process.")
    {
        _interface.Validators.Add(result => InterfaceOption.Check(result, result.Tokens[0].Value));
        Arguments.Add(_interface);
        Options.Add(_prepare);
        _join.AddTo(this);
        _options.AddTo(this);
        _places.AddTo(this);
        Options.Add(_logLevel);
        Options.Add(_logFile);
        SetAction((call, _) => RunAsync(call));
    }

    private async Task<int> RunAsync(ParseResult call)
    {
        ServiceNotification.KeepFromChildren();
        NodePlace place = _places.Of(call, call.GetRequiredValue(_interface));
        string logFile = call.GetRequiredValue(_logFile);
        var log = new LineLog(
            place.Interface, LineLog.ParseLevel(call.GetRequiredValue(_logLevel)), logFile.Length == 0 ? null : Path.GetFullPath(logFile));
        place.Folder.Create();
        place.Run.Create();

        using var ending = new CancellationTokenSource();
        using var signals = new EndSignals(ending.Cancel);
        NodeSettings settings = _options.Apply(call, Membership.Read(place.Folder)?.Settings ?? new NodeSettings());
        if (call.GetValue(_prepare))
        {
            NodeKeys.Open(place.Folder, settings.PrivateKeyFile).Dispose();
            return 0;
        }
        try
        {
            var joining = new Joining(place.Folder, Tell, TimeProvider.System);
            await joining.JoinAsync(_join.Read(call), settings, ending.Token);
            using var link = new ControlLink(place.Folder, place.Run, place.RuntimeDirectory, log);
            await link.RunAsync(Ready, ending.Token);
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            // As asked.
        }
        Log.EndsBySignal(log);
        return 0;

        void Tell(string sentence)
        {
            ServiceNotification.Status(sentence);
            Log.Joining(log, sentence);
        }

        void Ready()
        {
            Background.DetachAndSignalReady();
            ServiceNotification.Ready($"{place.Interface} is up");
            Log.LinkReady(log, place.Interface);
        }
    }
}
