using System.CommandLine;
using Kedge.Commands.Admin;
using Kedge.Control;
using Kedge.Linux.Processes;
using Kedge.Protocol;

namespace Kedge.Commands.Controller;

/// <summary><c>kedge controller rotate</c>: new keys for the controller's authorities, with an overlap.</summary>
internal sealed class RotateCommand : Command
{
    public RotateCommand()
        : base("rotate", "Put a new key in place of an authority's. Nodes that are away meanwhile come back. The controller must not run.")
    {
        Subcommands.Add(new RotateIssuerCommand());
        Subcommands.Add(new RotateServerAuthorityCommand());
    }

    /// <summary>As root, gives new files to the owner of the data folder: a service has a user of its own, who must read them.</summary>
    /// <exception cref="UserError">They cannot be given away; the message names the command that does it.</exception>
    public static void KeepOwner(string dataDirectory)
    {
        if (!Environment.IsPrivilegedProcess)
            return;
        string[] line = ["chown", "--recursive", $"--reference={dataDirectory}", Path.Combine(dataDirectory, "keys")];
        if (ExternalProgram.Run(line) is { Succeeded: false } result)
            throw new UserError($"The new keys are in place, but not their user's: chown {result.Failure}. Do it before the next start: {string.Join(' ', line)}");
    }
}

/// <summary><c>kedge controller rotate issuer</c>: a new key that certifies the nodes of a managed network.</summary>
internal sealed class RotateIssuerCommand : Command
{
    private readonly Option<string> _dataDirectory = ControllerCommand.DataDirectoryOption();
    private readonly Option<string?> _masterKey = Inputs.Text("--master-key", "FILE", "The master key, where it is kept elsewhere than in the data folder.");

    public RotateIssuerCommand()
        : base("issuer", "Have the master key of a managed network certify a new issuer. What the former one has certified holds until it ends.")
    {
        Options.Add(_dataDirectory);
        Options.Add(_masterKey);
        SetAction(call =>
        {
            string dataDirectory = Path.GetFullPath(call.GetRequiredValue(_dataDirectory));
            DateTimeOffset end = KeyRotation.RotateIssuer(dataDirectory, call.GetValue(_masterKey), DateTimeOffset.UtcNow);
            RotateCommand.KeepOwner(dataDirectory);
            Console.Out.WriteLine($"The new issuer holds until {end:u}. Start the controller again; nodes get certificates of it as theirs are renewed.");
            return 0;
        });
    }
}

/// <summary><c>kedge controller rotate server-authority</c>: a new key by which the controller is known.</summary>
internal sealed class RotateServerAuthorityCommand : Command
{
    private readonly Option<string> _dataDirectory = ControllerCommand.DataDirectoryOption();

    private readonly Option<bool> _forgetFormer = new("--forget-former")
    {
        Description = "Make no new key, but end the overlap: nodes and logins that know the controller by a former key only do not find it any more.",
    };

    public RotateServerAuthorityCommand()
        : base("server-authority", "Make a new key by which nodes and administrators know the controller, certified by the former one.")
    {
        Options.Add(_dataDirectory);
        Options.Add(_forgetFormer);
        SetAction(call =>
        {
            string dataDirectory = Path.GetFullPath(call.GetRequiredValue(_dataDirectory));
            IReadOnlyList<string> pins = call.GetValue(_forgetFormer)
                ? KeyRotation.ForgetFormerServerAuthorities(dataDirectory)
                : KeyRotation.RotateServerAuthority(dataDirectory, DateTimeOffset.UtcNow);
            RotateCommand.KeepOwner(dataDirectory);
            Console.Out.WriteLine($"The controller is known by {pins[0]}{(pins.Count > 1 ? $", and still by {string.Join(", ", pins.Skip(1))}" : "")}. Start it again.");
            return 0;
        });
    }
}
