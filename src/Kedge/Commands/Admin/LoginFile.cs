using System.CommandLine;

namespace Kedge.Commands.Admin;

/// <summary>The option that says where the login is kept.</summary>
internal static class LoginFile
{
    /// <summary>The environment variable that stands in for the option.</summary>
    public const string Variable = "KEDGE_LOGIN_FILE";

    /// <summary>The file where none is named, after the XDG Base Directory Specification.</summary>
    public static string Default
    {
        get
        {
            string? configuration = Environment.GetEnvironmentVariable("XDG_CONFIG_HOME");
            // A relative path there is to be passed over, says the specification.
            string folder = Path.IsPathRooted(configuration)
                ? configuration
                : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".config");
            return Path.Combine(folder, "kedge", "login.json");
        }
    }

    /// <summary>A new option for one command.</summary>
    public static Option<string> Option() => Setting.Text(
        "--login-file", "FILE", Variable, Default, "Where the login is kept.");
}
