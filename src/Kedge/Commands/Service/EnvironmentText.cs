using System.Text;
using Kedge.Protocol;

namespace Kedge.Commands.Service;

/// <summary>Settings as a file for the units' <c>EnvironmentFile=</c> (systemd.exec(5)).</summary>
internal static class EnvironmentText
{
    /// <summary>Puts settings into a file: those that are there already get their new value.</summary>
    /// <param name="before">What is in the file; empty for nothing.</param>
    /// <param name="settings">The variables and their values.</param>
    /// <exception cref="UserError">A value cannot be written there.</exception>
    public static string Merge(string before, IEnumerable<(string Variable, string Value)> settings)
    {
        List<string> lines = [.. before.Split('\n', StringSplitOptions.RemoveEmptyEntries)];
        foreach ((string variable, string value) in settings)
        {
            string line = $"{variable}={Quote(variable, value)}";
            int index = lines.FindIndex(one => one.StartsWith(variable + "=", StringComparison.Ordinal));
            if (index < 0)
                lines.Add(line);
            else
                lines[index] = line;
        }
        return string.Concat(lines.Select(line => line + "\n"));
    }

    private static string Quote(string variable, string value)
    {
        if (value.Any(char.IsControl))
            throw new UserError($"{variable} has a control character in its value, which cannot be kept for a service.");
        if (value.Length > 0 && value.All(c => char.IsAsciiLetterOrDigit(c) || "/.:,_@[]+-".Contains(c, StringComparison.Ordinal)))
            return value;
        var quoted = new StringBuilder("\"");
        foreach (char c in value)
        {
            if (c is '"' or '\\' or '`' or '$')
                quoted.Append('\\');
            quoted.Append(c);
        }
        return quoted.Append('"').ToString();
    }
}
