using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Kedge.Linux;
using Kedge.Linux.Processes;
using Kedge.Node.ControlLink;
using Kedge.Startup;

namespace Kedge.Commands.Node;

/// <summary>
/// <c>kedge bugreport</c>: what somebody who looks for a fault wants to know about this machine's nodes, as one text. Keys, tokens and
/// preshared
/// keys are in none of the sources that it is made of: it is put together from what is known to be public, not cleaned of what is not.
/// </summary>
internal sealed class BugreportCommand : Command
{
    private const int LogTail = 64 << 10;

    private readonly Option<string?> _out = new("--out") { Description = "Write to a file that only its owner can read, in place of standard output.", HelpName = "FILE" };
    private readonly NodePlaces _places = new();

    public BugreportCommand()
        : base("bugreport", "Collect what is needed to find a fault: state, routes, logs. No key and no token is in it.")
    {
        Options.Add(_out);
        _places.AddTo(this);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        var text = new StringBuilder();
        Section(text, "program", Version());
        IReadOnlyList<string> joined = NodeFolder.Joined(_places.StateDirectory(call));
        Section(text, "joined interfaces", joined.Count == 0 ? "none" : string.Join('\n', joined));
        foreach (string name in joined)
            Describe(text, _places.Of(call, name));
        foreach (string[] line in (string[][])
        [
            ["ip", "-details", "address"], ["ip", "rule"], ["ip", "-6", "rule"],
            ["ip", "route", "show", "table", "all"], ["ip", "-6", "route", "show", "table", "all"],
            ["sysctl", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv4.conf.all.rp_filter"],
        ])
        {
            Section(text, string.Join(' ', line), RunProgram(line));
        }
        byte[] report = Encoding.UTF8.GetBytes(text.ToString());
        if (call.GetValue(_out) is not { } path)
        {
            using Stream output = StandardOutput.Open();
            output.Write(report);
            return 0;
        }
        FileText.Write(path, report);
        Console.Error.WriteLine(
            $"kedge: The report is in {path}. It has no key and no token, but addresses, names and routes: read it before you publish it.");
        return 0;
    }

    private static void Describe(StringBuilder text, NodePlace place)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using (NodeView? view = NodeView.Read(place))
        {
            if (view is not null)
            {
                Section(text, $"{place.Interface}: status", NodeText.Format(view, now));
                Section(text, $"{place.Interface}: status as JSON", StatusJson.Write(json => NodeStatusJson.Write(json, view, now)));
                Section(text, $"{place.Interface}: settings", Settings(view.Membership.Settings));
                if (view.Device is { } device)
                    Section(text, $"{place.Interface}: device", StatusText.Format(place.Interface, device, KeyExchangeAges.Read(place), now));
            }
        }
        Section(text, $"{place.Interface}: processes", string.Join('\n', Processes(place)));
        Section(text, $"{place.Interface}: files", Files(place.Folder.Path));
        Section(text, $"{place.Interface}: log of 'kedge up --detach'", Tail(place.Run.UpLog));
        Section(text, $"{place.Interface}: log of the node process", Tail(place.Run.NodeLog));
        Section(text, $"{place.Interface}: log of the control link", Tail(place.Run.LinkLog));
    }

    private static string Settings(NodeSettings settings) => settings.ToString().Replace(", ", "\n", StringComparison.Ordinal)
        + $"\nRequestedAddresses: {string.Join(", ", settings.RequestedAddresses)}\nChildPrefixes: {string.Join(", ", settings.ChildPrefixes)}"
        + $"\nLocalEndpointAddresses: {string.Join(", ", settings.LocalEndpointAddresses)}";

    private static IEnumerable<string> Processes(NodePlace place)
    {
        yield return $"kedge up: {ProcessLock.Holder(place.Run.UpLock)?.ToString() ?? "none"}";
        yield return $"control link: {ProcessLock.Holder(place.Run.LinkLock)?.ToString() ?? "none"}";
        yield return $"node process: {Kedge.Node.Uapi.UapiClient.FindProcess(place.RuntimeDirectory, place.Interface)?.ToString() ?? "none"}";
    }

    // Names, sizes, modes and times: what is in the files is not for others.
    private static string Files(string folder)
    {
        if (!Directory.Exists(folder))
            return "none";
        return string.Join('\n', new DirectoryInfo(folder).GetFiles().OrderBy(file => file.Name, StringComparer.Ordinal).Select(file => string.Create(
            CultureInfo.InvariantCulture,
            $"{Convert.ToString((int)file.UnixFileMode, 8)} {file.Length,9} {file.LastWriteTimeUtc:u} {file.Name}")));
    }

    private static string Tail(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            file.Seek(-Math.Min(file.Length, LogTail), SeekOrigin.End);
            using var reader = new StreamReader(file);
            return reader.ReadToEnd();
        }
        catch (IOException)
        {
            return "none";
        }
    }

    private static string Version() => string.Join('\n',
        typeof(BugreportCommand).Assembly.GetName().Version?.ToString() ?? "unknown",
        $"{RuntimeInformation.FrameworkDescription} ({RuntimeInformation.RuntimeIdentifier})",
        RuntimeInformation.OSDescription,
        $"{DateTimeOffset.UtcNow:u}");

    private static string RunProgram(string[] line)
    {
        try
        {
            ProgramResult result = ExternalProgram.Run(line);
            return result.Output + result.Error;
        }
        catch (LinuxException e)
        {
            return e.Message;
        }
    }

    private static void Section(StringBuilder text, string title, string content) =>
        text.Append("==== ").Append(title).Append('\n').Append(content.TrimEnd()).Append("\n\n");
}
