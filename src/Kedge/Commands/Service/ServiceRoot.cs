using System.CommandLine;
using System.Reflection;
using Kedge.Node.Supervision;
using Kedge.Protocol;

namespace Kedge.Commands.Service;

/// <summary>
/// The system to operate on: this machine, or a root folder of another one, as with <c>systemctl --root</c>.
/// </summary>
/// <param name="root">The folder; null for this machine.</param>
internal sealed class ServiceRoot(string? root)
{
    private const string PackagedProgram = "/usr/bin/kedge";
    private const string Elsewhere = "Install it somewhere else first, such as in /usr/local/bin.";

    private const UnixFileMode PublicFolder =
        GeneratedFile.Public | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    // What the units' ProtectHome and PrivateTmp hide from them.
    private static readonly string[] HiddenFolders = ["/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"];

    /// <summary>The option that names another root folder.</summary>
    public static Option<string?> Option() => new("--root")
    {
        Description = "Operate on the system in this folder, which is not running: nothing is started or stopped.",
        HelpName = "DIRECTORY",
    };

    /// <summary>The system that a call names.</summary>
    /// <param name="call">The call.</param>
    /// <param name="option">Its option.</param>
    /// <param name="changes">Whether it is to be changed.</param>
    /// <exception cref="UserError">It has no systemd, or the caller may not change it.</exception>
    public static ServiceRoot Of(ParseResult call, Option<string?> option, bool changes = false)
    {
        string? root = call.GetValue(option) is { Length: > 0 } folder ? Path.GetFullPath(folder) : null;
        if (root is not null && !Directory.Exists(root))
            throw new UserError($"There is no folder {root}.");
        if (root is null && !Systemctl.IsBooted)
        {
            throw new UserError(
                "This machine is not run by systemd (there is no /run/systemd/system), so it has no services for Kedge. "
                + "'kedge up --detach' takes a node up without it; 'kedge controller' runs in front.");
        }
        if (root is null && changes && !Environment.IsPrivilegedProcess)
            throw new UserError("A service of this machine is root's to change: run this as root.");
        return new ServiceRoot(root == "/" ? null : root);
    }

    /// <summary>Whether it is this machine, where units can be started.</summary>
    public bool IsRunning => root is null;

    /// <summary>Its service manager.</summary>
    public Systemctl Systemctl { get; } = new(root);

    /// <summary>Where settings are.</summary>
    public string SettingsFolder => PathOf("/etc/kedge");

    /// <summary>The full path of a file of that system.</summary>
    public string PathOf(string path) => root is null ? path : root + path;

    /// <summary>The settings of a unit.</summary>
    /// <param name="name"><c>controller</c>, or the interface of a node.</param>
    public string EnvironmentFile(string name) => Path.Combine(SettingsFolder, name + ".env");

    /// <summary>The join line of a node.</summary>
    public string JoinFile(string interfaceName) => Path.Combine(SettingsFolder, interfaceName + ".join");

    /// <summary>Makes the folder of the settings.</summary>
    public void CreateSettingsFolder()
    {
        const UnixFileMode OthersStayOut = PublicFolder & ~(UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        CreateFolder(SettingsFolder, OthersStayOut);
    }

    /// <summary>
    /// Makes sure that systemd finds a unit: that of the package, or else one of our own, which runs this program.
    /// </summary>
    /// <param name="file">Its name, as in <c>deploy/systemd</c>.</param>
    /// <returns>Whether anything has changed.</returns>
    /// <exception cref="UserError">The file cannot be written, or the program is where no unit can reach it.</exception>
    public bool InstallUnit(string file)
    {
        string own = OwnUnit(file);
        if (IsPackaged(file))
        {
            // Ours would hide the package's.
            bool isOurs = GeneratedFile.OriginOf(own) == FileOrigin.Generated;
            return isOurs && GeneratedFile.Remove(own);
        }
        CreateFolder(Path.GetDirectoryName(own)!);
        return GeneratedFile.Write(own, UnitText(file, FindProgram()), GeneratedFile.Public);
    }

    /// <summary>Writes a file that adds to a unit.</summary>
    /// <returns>Whether anything has changed.</returns>
    public bool InstallDropIn(string unit, string file, string text)
    {
        string path = DropIn(unit, file);
        CreateFolder(Path.GetDirectoryName(path)!);
        return GeneratedFile.Write(path, text, GeneratedFile.Public);
    }

    /// <summary>Removes what <see cref="InstallDropIn"/> wrote.</summary>
    public bool RemoveDropIn(string unit, string file, bool evenForeign)
    {
        string path = DropIn(unit, file);
        bool removed = GeneratedFile.Remove(path, evenForeign);
        DeleteIfEmpty(Path.GetDirectoryName(path)!);
        return removed;
    }

    /// <summary>Removes a unit's file that <see cref="InstallUnit"/> wrote.</summary>
    public bool RemoveUnit(string file) => GeneratedFile.Remove(OwnUnit(file));

    /// <summary>Removes the folder of the settings where nothing is in it.</summary>
    public void RemoveSettingsFolder()
    {
        if (!IsPackaged(Systemctl.ControllerUnit))
            DeleteIfEmpty(SettingsFolder);
    }

    /// <summary>Whether a unit's file is there, whoever has put it there.</summary>
    public bool HasUnit(string file) => IsPackaged(file) || File.Exists(OwnUnit(file));

    /// <summary>The interfaces whose nodes are enabled.</summary>
    public IReadOnlyList<string> EnabledInterfaces()
    {
        string folder = PathOf("/etc/systemd/system");
        if (!Directory.Exists(folder))
            return [];
        return
        [
            .. (from wants in Directory.GetDirectories(folder, "*.wants")
                from link in Directory.GetFileSystemEntries(wants, "kedge-*@*.service")
                select InstanceOf(Path.GetFileName(link))).Distinct().Order(StringComparer.Ordinal),
        ];
    }

    /// <summary>The instance in a unit's name: <c>kedge0</c> of <c>kedge-node@kedge0.service</c>.</summary>
    public static string InstanceOf(string unit) => unit.Split('@', 2)[^1].Replace(".service", "", StringComparison.Ordinal);

    /// <summary>The text of a unit, as the package has it, but for a program in another place.</summary>
    /// <param name="file">Its name, as in <c>deploy/systemd</c>.</param>
    /// <param name="program">The program's path, of characters that mean nothing to systemd.</param>
    public static string UnitText(string file, string program)
    {
        using Stream text = Assembly.GetExecutingAssembly().GetManifestResourceStream("systemd/" + file)!;
        using var reader = new StreamReader(text);
        return reader.ReadToEnd().Replace(PackagedProgram + " ", program + " ", StringComparison.Ordinal);
    }

    /// <summary>What keeps a program from being run by the units, as a sentence; null where nothing does.</summary>
    public static string? Unsuitable(string program)
    {
        if (HiddenFolders.FirstOrDefault(folder => program.StartsWith(folder, StringComparison.Ordinal)) is { } hidden)
            return $"The units cannot see {hidden.TrimEnd('/')}, where this program is ({program}). {Elsewhere}";
        return program.All(c => char.IsAsciiLetterOrDigit(c) || "/._+-@".Contains(c, StringComparison.Ordinal)) ? null
            : $"The program's path {program} has characters that mean something to systemd. {Elsewhere}";
    }

    private string OwnUnit(string file) => PathOf("/etc/systemd/system/" + file);

    private string DropIn(string unit, string file) => PathOf($"/etc/systemd/system/{unit}.d/{file}");

    private bool IsPackaged(string file) =>
        File.Exists(PathOf("/usr/lib/systemd/system/" + file)) || File.Exists(PathOf("/lib/systemd/system/" + file));

    private string FindProgram()
    {
        string program = Environment.ProcessPath!;
        if (root is not null)
        {
            if (program.StartsWith(root + "/", StringComparison.Ordinal))
                program = program[root.Length..];
            else if (!File.Exists(root + program))
                throw new UserError($"There is no {program} in {root}: install the program there first, by its package or its archive.");
        }
        return Unsuitable(program) is { } reason ? throw new UserError(reason) : program;
    }

    private static void CreateFolder(string path, UnixFileMode mode = PublicFolder)
    {
        try
        {
            Directory.CreateDirectory(path, mode);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The folder {path} cannot be made: {e.Message} Run this as root.", e);
        }
    }

    private static void DeleteIfEmpty(string folder)
    {
        if (Directory.Exists(folder) && !Directory.EnumerateFileSystemEntries(folder).Any())
            Directory.Delete(folder);
    }
}
