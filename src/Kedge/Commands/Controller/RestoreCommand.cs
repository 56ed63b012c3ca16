using System.CommandLine;
using Kedge.Control;

namespace Kedge.Commands.Controller;

/// <summary><c>kedge controller restore FILE</c>.</summary>
internal sealed class RestoreCommand : Command
{
    private readonly Argument<string> _file = new("FILE") { Description = "What 'kedge controller backup' wrote." };

    private readonly Option<string> _dataDirectory = ControllerCommand.DataDirectoryOption();

    public RestoreCommand()
        : base("restore", "Put a backup in place of the store and the keys. The controller must not run; what is there is kept beside.")
    {
        Arguments.Add(_file);
        Options.Add(_dataDirectory);
        SetAction(call =>
        {
            string dataDirectory = Path.GetFullPath(call.GetRequiredValue(_dataDirectory));
            Tell(dataDirectory, StoreFiles.Restore(dataDirectory, Path.GetFullPath(call.GetRequiredValue(_file)), TimeProvider.System));
            return 0;
        });
    }

    private static void Tell(string dataDirectory, RestoreReport report)
    {
        Console.Out.WriteLine($"Restored to {dataDirectory}.{(report.Former is null ? "" : $" What was there is in {report.Former}.")}");
        Console.Out.WriteLine($"The network is as it was at {report.MadeAt.ToUniversalTime():u}: what has changed since is not in it.");
        Console.Out.WriteLine($"nodes           {Names(report.Nodes)}");
        if (report.Revived.Count > 0)
        {
            Console.Out.WriteLine($"removed since   {Names(report.Revived)}");
            Console.Out.WriteLine("                They are members again: 'kedge node remove NAME' removes them.");
        }
        if (report.Forgotten.Count > 0)
        {
            Console.Out.WriteLine($"joined since    {Names(report.Forgotten)}");
            Console.Out.WriteLine("                The network does not know them: 'kedge up --join-file FILE' on each joins it again.");
        }
        if (report.Former is null)
            Console.Out.WriteLine("Nodes that were removed since then are members again: 'kedge node list' shows all.");
    }

    private static string Names(IReadOnlyList<RestoredNode> nodes)
    {
        const int MostShown = 50;
        string shown = string.Join(", ", nodes.Take(MostShown));
        return nodes.Count > MostShown ? $"{shown} and {nodes.Count - MostShown} more" : nodes.Count == 0 ? "none" : shown;
    }
}
