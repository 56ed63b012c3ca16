using Kedge.Demo;

namespace Kedge.SystemTests.Rosenpass;

/// <summary>A program that exchanges keys: <c>kedge rosenpass</c>, or what <c>KEDGE_ROSENPASS</c> names, written by others.</summary>
/// <param name="HasWireGuardTable">
/// Whether its configuration names a peer of WireGuard by a table, as that of go-rosenpass does, and not by two keys, as that of rosenpass.
/// </param>
/// <param name="Line">The program, and what stands before its commands.</param>
internal sealed record RosenpassProgram(bool HasWireGuardTable, params IReadOnlyList<string> Line)
{
    private const string Variable = "KEDGE_ROSENPASS";

    /// <summary>The program under test.</summary>
    public static RosenpassProgram Kedge => new(HasWireGuardTable: false, Repository.Program, "rosenpass");

    /// <summary>The original that is named.</summary>
    /// <exception cref="InvalidOperationException">None is named.</exception>
    /// <exception cref="CommandException">What is named does not run.</exception>
    public static RosenpassProgram Original
    {
        get
        {
            string program = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named
                ? named
                : throw new InvalidOperationException($"{Variable} names no program; it is to name rosenpass 0.2 or go-rosenpass.");
            var command = new Command(program, "--help");
            CommandResult help = RunningProcess.Run(command);
            return help.Succeeded
                ? new(HasWireGuardTable: help.Output.Contains("go-rosenpass", StringComparison.Ordinal), program)
                : throw new CommandException(command, Variable, help);
        }
    }

    /// <summary>The lines of a peer's configuration that have the output key handed to WireGuard.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="publicKey">The peer's public key of WireGuard, in base64.</param>
    public string WireGuardOutput(string device, string publicKey) => HasWireGuardTable
        ? $"wireguard = {{ interface = \"{device}\", public_key = \"{publicKey}\" }}"
        : $"device = \"{device}\"\npeer = \"{publicKey}\"";
}
