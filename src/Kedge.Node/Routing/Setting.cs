using System.Globalization;
using Kedge.Linux.Namespaces;

namespace Kedge.Node.Routing;

/// <summary>The kernel's settings of a network namespace, below <c>/proc/sys</c>.</summary>
internal static class Setting
{
    /// <summary>Whether the kernel has a setting.</summary>
    public static bool Exists(NetworkNamespace? inside, string path) => In(inside, () => File.Exists(FullPath(path)));

    /// <summary>A setting that is a number; null where there is none.</summary>
    public static int? Read(NetworkNamespace? inside, string path) => In<int?>(inside, () =>
    {
        try
        {
            return int.Parse(File.ReadAllText(FullPath(path)), NumberStyles.Integer, CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            return null;
        }
    });

    /// <summary>Changes a setting; false where that cannot be, as in a container whose settings are read-only.</summary>
    public static bool TryWrite(NetworkNamespace? inside, string path, int value) => In(inside, () =>
    {
        try
        {
            File.WriteAllText(FullPath(path), value.ToString(CultureInfo.InvariantCulture));
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    });

    private static string FullPath(string path) => Path.Combine("/proc/sys", path);

    private static T In<T>(NetworkNamespace? inside, Func<T> action) => inside is null ? action() : inside.Run(action);
}
