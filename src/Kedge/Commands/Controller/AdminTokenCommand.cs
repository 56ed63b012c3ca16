using System.CommandLine;
using Kedge.Control;

namespace Kedge.Commands.Controller;

/// <summary><c>kedge controller admin-token</c>: replaces a lost administrator token, on the controller's machine, whether it runs or not.</summary>
internal sealed class AdminTokenCommand : Command
{
    private readonly Option<string> _dataDirectory = ControllerCommand.DataDirectoryOption();

    public AdminTokenCommand()
        : base("admin-token", "Replace the administrator token, on the controller's machine. The controller may run meanwhile.")
    {
        Options.Add(_dataDirectory);
        SetAction(call =>
        {
            string dataDirectory = Path.GetFullPath(call.GetRequiredValue(_dataDirectory));
            string token = StoreFiles.ReplaceAdministratorTokenAsync(dataDirectory, TimeProvider.System).GetAwaiter().GetResult();
            Console.Out.WriteLine($"The new token is in {Control.Controller.AdministratorTokenFileOf(dataDirectory)}; the one before is worth nothing now.");
            if (!Console.IsOutputRedirected)
                Console.Out.WriteLine(token);
            return 0;
        });
    }
}
