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
            string? former = StoreFiles.Restore(dataDirectory, Path.GetFullPath(call.GetRequiredValue(_file)), TimeProvider.System);
            Console.Out.WriteLine($"Restored to {dataDirectory}.{(former is null ? "" : $" What was there is in {former}.")}");
            return 0;
        });
    }
}
