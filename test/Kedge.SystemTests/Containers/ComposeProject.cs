using Kedge.Demo;

namespace Kedge.SystemTests.Containers;

/// <summary>A compose file of <c>deploy/container</c>, brought up by a compose program. Whoever made it disposes it.</summary>
/// <param name="engine">Where.</param>
/// <param name="file">The file's name.</param>
/// <param name="compose">The program: <c>docker compose</c>, or another that understands the same words.</param>
internal sealed class ComposeProject(ContainerEngine engine, string file, params string[] compose) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly string[] _line = [.. compose, "-p", "scene", "-f", Repository.PathOf($"deploy/container/{file}")];

    /// <summary>Brings services up, and waits until they are healthy.</summary>
    /// <param name="services">Which; none for all.</param>
    public void UpAndWait(params string[] services)
    {
        using RunningProcess up = engine.Start([.. _line, "up", "--wait", .. services]);
        // podman leaves health checks to systemd, which is not there.
        Wait.Until(
            () =>
            {
                engine.CheckHealth();
                return up.HasExited;
            },
            Patience,
            "all services to be healthy");
        CommandResult result = up.WaitForExit(Patience);
        if (!result.Succeeded)
            throw new CommandException(up.Command, "engine", result);
    }

    /// <summary>Runs another compose command.</summary>
    /// <exception cref="CommandException">It failed.</exception>
    public CommandResult Run(params string[] arguments) => engine.Run([.. _line, .. arguments]);

    /// <summary>Runs a program in a service's container.</summary>
    public CommandResult TryExec(string service, params string[] program) => engine.TryRun([.. _line, "exec", "-T", service, .. program]);

    /// <inheritdoc cref="TryExec"/>
    /// <exception cref="CommandException">It failed.</exception>
    public CommandResult Exec(string service, params string[] program) => engine.Run([.. _line, "exec", "-T", service, .. program]);

    public void Dispose() => engine.TryRun([.. _line, "down", "--volumes", "--timeout", "2"]);
}
