using System.CommandLine;
using System.Runtime.InteropServices;
using Kedge.Node.ControlLink;
using Kedge.Node.Keys;
using Kedge.Node.Supervision;
using Kedge.Protocol;
using Kedge.Protocol.Enrolment;

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
        using var signals = new EndSignals(ending.Cancel, exceptHangUp: true);
        NodeSettings settings = _options.Apply(call, Membership.Read(place.Folder)?.Settings ?? new NodeSettings());
        if (call.GetValue(_prepare))
        {
            NodeKeys.Open(place.Folder.Keys, settings.PrivateKeyFile).Dispose();
            return 0;
        }
        try
        {
            await JoinAsync(place, settings, _join.Read(call), Tell, log, ending.Token);
            await RunLinksAsync(place, Ready, log, ending.Token);
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

    private static async Task JoinAsync(
        NodePlace place, NodeSettings settings, JoinLine? line, Action<string> tell, LineLog log, CancellationToken ending)
    {
        try
        {
            await new Joining(place.Folder, tell, TimeProvider.System).JoinAsync(line, settings, ending);
        }
        catch (UserError error) when (Membership.Read(place.Folder) is { Status: Membership.Removed } && File.Exists(place.Folder.Certificate))
        {
            // It may be back later, as after a backup was restored. What it carries goes on meanwhile.
            Log.StartsRemoved(log, error.Message);
        }
    }

    /// <summary>
    /// Runs a link, and another whenever what it started from has changed on disk: SIGHUP says so, and so does the link itself.
    /// </summary>
    private static async Task RunLinksAsync(NodePlace place, Action ready, LineLog log, CancellationToken ending)
    {
        var change = new Change();
        using var reload = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            change.Note();
        });
        bool goesOn = true;
        while (goesOn)
        {
            change.Reset();
            using var link = new ControlLink(place.Folder, place.Run, place.RuntimeDirectory, log);
            change.Follow(link);
            goesOn = await link.RunAsync(ready, ending);
            ready = () => { };
        }
    }

    /// <summary>Whether the settings on disk have changed since a link has read them. Any thread.</summary>
    private sealed class Change
    {
        private readonly Lock _lock = new();
        private ControlLink? _link;
        private bool _isNoted;

        public void Reset()
        {
            lock (_lock)
                (_link, _isNoted) = (null, false);
        }

        public void Follow(ControlLink link)
        {
            lock (_lock)
            {
                _link = link;
                if (_isNoted)
                    link.Renew();
            }
        }

        public void Note()
        {
            lock (_lock)
            {
                _isNoted = true;
                _link?.Renew();
            }
        }
    }
}
