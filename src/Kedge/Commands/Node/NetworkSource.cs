using System.CommandLine;
using Kedge.Node.ControlLink;
using Kedge.Protocol;

namespace Kedge.Commands.Node;

/// <summary>By which files a network without a controller is entered: options of <c>kedge up</c>.</summary>
internal sealed class NetworkSource
{
    private readonly Option<string?> _name = new("--network")
    {
        Description = "Enter a network without a controller, and call it so on this machine. Needs --ca, --cert and --key, the first time.",
        HelpName = "NAME",
    };

    private readonly Option<string?> _authority = new("--ca")
    {
        Description = "The network's master certificate, as 'kedge ca init' made it, with or without its revocation list.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _certificate = new("--cert") { Description = "This node's certificate, as 'kedge ca sign' wrote it.", HelpName = "FILE" };

    private readonly Option<string?> _keys = new("--key")
    {
        Description = "The folder with this node's keys, as 'kedge cert request' made it. They are copied.",
        HelpName = "DIRECTORY",
    };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (Option<string?> option in (Option<string?>[])[_name, _authority, _certificate, _keys])
            command.Options.Add(option);
        command.Validators.Add(result =>
        {
            int named = new[] { _authority, _certificate, _keys }.Count(option => result.GetValue(option) is not null);
            if (named is not (0 or 3) || (named == 3 && result.GetValue(_name) is null))
                result.AddError("--ca, --cert and --key belong together, with --network NAME.");
        });
    }

    /// <summary>The files that were named; null where none were.</summary>
    /// <param name="call">The call.</param>
    /// <param name="before">What the interface is in already.</param>
    /// <exception cref="UserError">A network was named that the interface is not in, without its files.</exception>
    public NetworkFiles? Read(ParseResult call, Membership? before)
    {
        if (call.GetValue(_name) is not { } name)
            return null;
        if (call.GetValue(_authority) is { } authority)
            return new NetworkFiles(name, authority, call.GetValue(_certificate)!, call.GetValue(_keys)!);
        return before is { HasController: false } && before.ZoneName == name ? null : throw new UserError(
            $"This interface is not in the network '{name}': name the files to enter it with, --ca FILE --cert FILE --key DIRECTORY.");
    }
}
