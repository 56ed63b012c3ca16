using System.CommandLine;

namespace Kedge.Commands.Service;

/// <summary><c>kedge service</c>: has systemd run a controller or a node, from the start of the machine on.</summary>
internal sealed class ServiceCommand : Command
{
    public ServiceCommand()
        : base("service", "Have systemd run a controller or a node, from the start of the machine on.")
    {
        Subcommands.Add(new Command("install", "Install a service, start it, and have it start with the machine.")
        {
            new InstallControllerCommand(),
            new InstallNodeCommand(),
        });
        Subcommands.Add(new Command("uninstall", "End a service and remove what its installation has made.")
        {
            new UninstallControllerCommand(),
            new UninstallNodeCommand(),
        });
        Subcommands.Add(new ServiceStatusCommand());
    }

    /// <summary>A new option that says whether what is installed is also started.</summary>
    public static Option<bool> NoStart() => new("--no-start") { Description = "Only have it start with the machine, not now." };

    /// <summary>A new option that says whether keys and state go too.</summary>
    public static Option<bool> Purge() => new("--purge")
    {
        Description = "Also remove keys, state and settings, those included that were changed by hand.",
    };

    /// <summary>Says something to the person at the terminal.</summary>
    public static void Say(string sentence) => Console.Error.WriteLine($"kedge: {sentence}");
}
