using System.CommandLine;
using Kedge.Node.ControlLink;

namespace Kedge.Commands;

/// <summary>The option that says where running processes keep what nobody needs after them.</summary>
internal static class RunDirectory
{
    /// <summary>A new option for one command.</summary>
    public static Option<string> Option() => Setting.Text(
        "--run-dir",
        "DIRECTORY",
        "KEDGE_RUN_DIR",
        RunFolder.DefaultRunDirectory,
        "Where locks, sockets, logs and the times of key exchanges are, while processes run.");
}
