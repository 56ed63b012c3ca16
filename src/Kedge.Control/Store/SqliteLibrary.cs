using System.Runtime.InteropServices;
using Kedge.Protocol;
using SQLitePCL;

namespace Kedge.Control.Store;

/// <summary>
/// Which SQLite this is: the distribution's, which gets security updates, in place of one that a package would bring along. Nothing native
/// is called here, only the place is named where the provider finds what it calls; this file is the one exception from that wall
/// (<c>.editorconfig</c>).
/// </summary>
internal static class SqliteLibrary
{
    private const string FileName = "libsqlite3.so.0";

    private static readonly Lazy<bool> Bound = new(Bind);

    /// <summary>Makes SQLite usable in this process. Any thread, any number of times.</summary>
    /// <exception cref="UserError">The library is not installed.</exception>
    public static void Use() => _ = Bound.Value;

    private static bool Bind()
    {
        if (!NativeLibrary.TryLoad(FileName, out nint library))
            throw new UserError($"The library {FileName} is missing. On Debian: apt-get install libsqlite3-0");
        var provider = new SQLite3Provider_e_sqlite3();
        NativeLibrary.SetDllImportResolver(provider.GetType().Assembly, (name, _, _) => name == "e_sqlite3" ? library : 0);
        raw.SetProvider(provider);
        raw.FreezeProvider();
        return true;
    }
}
