using System.CommandLine;

namespace Kedge.Commands.Admin;

/// <summary><c>kedge node</c>: the members of zones.</summary>
internal sealed class NodeCommand : Command
{
    public NodeCommand()
        : base("node", "Manage nodes: the machines in zones, and stock WireGuard peers.")
    {
        Subcommands.Add(new NodeListCommand());
        Subcommands.Add(new NodeShowCommand());
        Subcommands.Add(new NodeCreateCommand());
        Subcommands.Add(new NodeRenameCommand());
        Subcommands.Add(new NodeChangeCommand());
        Subcommands.Add(new NodeApproveCommand());
        Subcommands.Add(new NodeRemoveCommand());
        Subcommands.Add(new NodeRequestsCommand());
        Subcommands.Add(new NodeCertifyCommand());
        Subcommands.Add(new NodeRevokeCommand());
    }
}
