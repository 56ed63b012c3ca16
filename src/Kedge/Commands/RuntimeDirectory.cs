using System.CommandLine;
using Kedge.Node.Uapi;

namespace Kedge.Commands;

/// <summary>The option that says where the sockets of running devices are.</summary>
internal static class RuntimeDirectory
{
    /// <summary>A new option for one command.</summary>
    public static Option<string> Option() => Setting.Text(
        "--runtime-dir",
        "DIRECTORY",
        "KEDGE_RUNTIME_DIR",
        UapiSocket.DefaultDirectory,
        "Where the configuration socket is; 'wg' looks in the default only.");
}
