using System.CommandLine;
using Kedge.Control;

namespace Kedge.Commands.Controller;

/// <summary><c>kedge controller backup FILE</c>.</summary>
internal sealed class BackupCommand : Command
{
    private readonly Argument<string> _file = new("FILE")
    {
        Description = "The file to write, which must not exist yet, or a pipe. It has the network's keys in it.",
    };

    private readonly Option<string> _dataDirectory = ControllerCommand.DataDirectoryOption();

    public BackupCommand()
        : base("backup", "Write the store and the keys to one file, as of now. The controller may run meanwhile.")
    {
        Arguments.Add(_file);
        Options.Add(_dataDirectory);
        SetAction(call =>
        {
            string file = Path.GetFullPath(call.GetRequiredValue(_file));
            StoreFiles.Backup(Path.GetFullPath(call.GetRequiredValue(_dataDirectory)), file);
            Console.Error.WriteLine($"kedge: Written to {file}. It has the network's keys in it: keep it where nobody else can read it.");
            return 0;
        });
    }
}
