using System.Text.RegularExpressions;

namespace Kedge.SystemTests;

/// <summary>Where this machine's apt gets Debian from.</summary>
internal static partial class DebianMirror
{
    /// <summary>The address, from the one-line format, <c>deb URI suite component</c>, or from the other, <c>URIs: URI</c>.</summary>
    public static string Uri
    {
        get
        {
            IEnumerable<string> files = Directory.EnumerateFiles("/etc/apt/sources.list.d");
            if (File.Exists("/etc/apt/sources.list"))
                files = files.Prepend("/etc/apt/sources.list");
            return files.SelectMany(File.ReadLines).Select(line => Line().Match(line).Groups["uri"].Value).First(uri => uri.Length != 0);
        }
    }

    [GeneratedRegex(@"^(deb|URIs:)\s.*?(?<uri>https?://\S+/debian/?)(\s|$)", RegexOptions.ExplicitCapture)]
    private static partial Regex Line();
}
