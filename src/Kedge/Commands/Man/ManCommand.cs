using System.Collections;
using System.CommandLine;
using System.Globalization;
using System.Reflection;
using Kedge.Protocol;

namespace Kedge.Commands.Man;

/// <summary>
/// <c>kedge man --out DIRECTORY</c>: writes the manual pages, for packages. The same program writes the same bytes everywhere.
/// </summary>
internal sealed class ManCommand : Command
{
    private readonly Option<string> _out = new("--out")
    {
        Description = "The folder that gets the pages; it is made where it does not exist.",
        HelpName = "DIRECTORY",
        Required = true,
    };

    public ManCommand()
        : base("man", "Write the manual pages, one for each command. [env: SOURCE_DATE_EPOCH]")
    {
        Hidden = true;
        Options.Add(_out);
        SetAction(call => Write(Path.GetFullPath(call.GetRequiredValue(_out))));
    }

    private static void Write(string folder)
    {
        string version = typeof(ManCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
        string date = ReadDate();
        ForgetEnvironment();
        try
        {
            Directory.CreateDirectory(folder);
            foreach (Command command in ManPage.Commands(CommandTree.Create()))
                File.WriteAllText(
                    Path.Combine(folder, ManPage.NameOf(command) + ".1"), new ManPage(command, version.Split('+')[0], date).Write());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The pages cannot be written to {folder}: {e.Message}", e);
        }
    }

    // https://reproducible-builds.org/specs/source-date-epoch/
    private static string ReadDate()
    {
        const string Variable = "SOURCE_DATE_EPOCH";
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } text)
            return "";
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long seconds)
            && seconds <= DateTimeOffset.MaxValue.ToUnixTimeSeconds()
                ? DateTimeOffset.FromUnixTimeSeconds(seconds).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)
                : throw new UserError($"{Variable} is '{text}', but must be seconds since 1970.");
    }

    // The defaults of options come from it, and a page is not for this machine.
    private static void ForgetEnvironment()
    {
        foreach (string name in Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(variable => (string)variable.Key))
        {
            if (name.StartsWith("KEDGE_", StringComparison.Ordinal) || name is "LOG_LEVEL" or "XDG_CONFIG_HOME")
                Environment.SetEnvironmentVariable(name, null);
        }
        Environment.SetEnvironmentVariable("HOME", "/");
    }
}
