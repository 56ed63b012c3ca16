using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Kedge.Linux;
using Kedge.Node.ControlLink;
using Kedge.Node.Supervision;
using Kedge.Protocol;
using Microsoft.Win32.SafeHandles;

namespace Kedge.Commands.Node;

/// <summary>
/// <c>kedge logs [INTERFACE]</c>: the logs of an interface's processes: from the journal if systemd runs them, from their files if
/// <c>kedge up</c> does.
/// </summary>
internal sealed class LogsCommand : Command
{
    private const string All = "all";
    private static readonly TimeSpan FollowInterval = TimeSpan.FromMilliseconds(200);

    private readonly Argument<string> _interface = new("INTERFACE")
    {
        Description = "The interface. [env: KEDGE_INTERFACE]",
        Arity = ArgumentArity.ZeroOrOne,
        DefaultValueFactory = _ =>
            Environment.GetEnvironmentVariable("KEDGE_INTERFACE") is { Length: > 0 } name ? name : InterfaceOption.Default,
    };

    private readonly Option<bool> _controller = new("--controller")
    {
        Description = "Show the log of this machine's controller, which runs as a service.",
    };

    private readonly Option<bool> _follow = new("--follow", "-f") { Description = "Show new lines as they come, until interrupted." };

    private readonly Option<int> _lines = new("--lines", "-n")
    {
        Description = $"How many of the last lines to show, or '{All}'.",
        HelpName = "N",
        CustomParser = ReadLines,
        DefaultValueFactory = _ => 100,
    };

    private readonly NodePlaces _places = new();

    public LogsCommand()
        : base("logs", "Show the logs of an interface that is up, or of the controller.")
    {
        _interface.Validators.Add(result => InterfaceOption.Check(result, result.GetValueOrDefault<string>()));
        Arguments.Add(_interface);
        foreach (Option option in (Option[])[_controller, _follow, _lines])
            Options.Add(option);
        _places.AddTo(this);
        Validators.Add(result =>
        {
            if (result.GetValue(_controller) && result.GetResult(_interface) is { Tokens.Count: > 0 })
                result.AddError("The controller has no interface: give either INTERFACE or --controller.");
        });
        SetAction(Run);
    }

    private static int ReadLines(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        if (text == All)
            return int.MaxValue;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int lines))
            return lines;
        result.AddError($"--lines is '{text}', but must be a number, or '{All}'.");
        return 0;
    }

    private int Run(ParseResult call)
    {
        (int lines, bool follow) = (call.GetValue(_lines), call.GetValue(_follow));
        if (call.GetValue(_controller))
        {
            return IsKnown(Systemctl.ControllerUnit) ? ShowJournal([Systemctl.ControllerUnit], lines, follow) : throw new UserError(
                "No controller runs here as a service: 'kedge service install controller' makes one. "
                + "A controller started by hand logs to its standard error.");
        }
        NodePlace place = _places.Of(call, call.GetRequiredValue(_interface));
        IReadOnlyList<string> units = Systemctl.NodeUnits(place.Interface);
        if (IsActive(units))
            return ShowJournal(units, lines, follow);
        if (place.Run.Logs.Any(File.Exists))
            return ShowFiles(place.Run, lines, follow);
        if (units.Any(IsKnown))
            return ShowJournal(units, lines, follow);
        if (Directory.Exists(place.Run.Path) && !Environment.IsPrivilegedProcess)
            throw new UserError($"Only root may read the logs of {place.Interface}: run this as root.");
        throw new UserError(
            $"There are no logs of {place.Interface}: it is not up, and no service. "
            + $"'kedge up --detach --interface {place.Interface}' takes it up, 'kedge service install node' makes it a service.");
    }

    private static bool IsActive(IReadOnlyList<string> units) =>
        Systemctl.IsBooted && units.Any(unit => new Systemctl().Show(unit) is { ActiveState: not ("inactive" or "") });

    private static bool IsKnown(string unit) =>
        Systemctl.IsBooted
        && new Systemctl().Show(unit) is { LoadState: "loaded" } state
        && (state.IsEnabled || state.ActiveState != "inactive");

    private static int ShowJournal(IReadOnlyList<string> units, int lines, bool follow)
    {
        // journalctl itself escapes what a terminal would interpret.
        string count = lines == int.MaxValue ? All : lines.ToString(CultureInfo.InvariantCulture);
        string[] words =
        [
            "--no-pager", "--no-hostname", "--output=short-iso", $"--lines={count}",
            .. follow ? (string[])["--follow"] : [], .. units.Select(unit => $"--unit={unit}"),
        ];
        try
        {
            using Process journal = Process.Start(new ProcessStartInfo("journalctl", words))!;
            journal.WaitForExit();
            return journal.ExitCode == 0 ? 0 : 1;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new UserError($"The journal cannot be read, as journalctl does not start: {e.Message}", e);
        }
    }

    private static int ShowFiles(RunFolder run, int lines, bool follow)
    {
        using var logs = new LogFiles(run.Logs);
        try
        {
            // Unlike the console's, this stream reports that nobody reads any more.
            using var output = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
            Write(output, logs.ReadNew().TakeLast(lines));
            while (follow)
            {
                Thread.Sleep(FollowInterval);
                Write(output, logs.ReadNew());
            }
        }
        catch (IOException e) when (e.HResult == Errno.EPIPE)
        {
            // The reader, such as 'head', has seen enough.
        }
        catch (IOException e)
        {
            throw new UserError($"The logs cannot be written to standard output: {e.Message}", e);
        }
        return 0;
    }

    private static void Write(FileStream output, IEnumerable<string> lines)
    {
        string text = string.Concat(lines.Select(line => line + "\n"));
        if (text.Length > 0)
            output.Write(Encoding.UTF8.GetBytes(text));
    }
}
