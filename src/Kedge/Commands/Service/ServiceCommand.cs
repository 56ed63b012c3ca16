using System.CommandLine;

namespace Kedge.Commands.Service;

/// <summary><c>kedge service</c>: runs a controller or a node as a systemd service.</summary>
internal sealed class ServiceCommand : Command
{
    public ServiceCommand()
        : base("service", "Run a controller or a node as a systemd service.")
    {
        Subcommands.Add(new Command("install", "Install a service and start it, now and at boot.")
        {
            new InstallControllerCommand(),
            new InstallNodeCommand(),
        });
        Subcommands.Add(new Command("uninstall", "Stop a service and remove what its installation created.")
        {
            new UninstallControllerCommand(),
            new UninstallNodeCommand(),
        });
        Subcommands.Add(new ServiceStatusCommand());
    }

    /// <summary>The option not to start what is installed.</summary>
    public static Option<bool> NoStart() => new("--no-start") { Description = "Do not start it now, only at boot." };

    /// <summary>The option to remove keys and state as well.</summary>
    public static Option<bool> Purge() => new("--purge")
    {
        Description = "Also remove keys, state and settings, even those changed by hand.",
    };

    /// <summary>Prints a message on standard error.</summary>
    public static void Say(string sentence) => Console.Error.WriteLine($"kedge: {sentence}");
}
