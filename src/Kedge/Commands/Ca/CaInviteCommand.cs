using System.CommandLine;
using System.Security.Cryptography;
using Kedge.Commands.Admin;
using Kedge.Protocol;
using Kedge.Protocol.Enrolment;

namespace Kedge.Commands.Ca;

/// <summary><c>kedge ca invite NAME --ca DIRECTORY</c>: adds a secret to a join line by which the master key's holder knows the node.</summary>
internal sealed class CaInviteCommand : Command
{
    private const int DefaultLifetime = 7 * 86_400;

    private readonly Argument<string> _name = Inputs.NewName("NAME", "The node's name. It joins under this name and no other.");
    private readonly Option<string> _folder = CaCommand.Folder();

    private readonly Option<int?> _expires = Inputs.Duration(
        "--expires", "How long the invitation holds: 'kedge ca sign' must have signed by then. From 1m to 365d; 7d unless told otherwise.");

    private readonly Option<string> _joinLine = new("--join-line")
    {
        Description = "The join line that 'kedge token create' wrote, in a file; - for standard input.",
        HelpName = "FILE",
        DefaultValueFactory = _ => "-",
    };

    private readonly Option<string?> _out = Inputs.Text("--out", "FILE", "Write the join line to a new file that only its owner can read.");
    private readonly Option<string[]> _tags = Inputs.Tags("A tag that the node may have. With any other nothing is signed unseen.");
    private readonly Option<Guid?> _zone = new("--zone") { Description = "The identifier of the zone that the node may be in; any zone where it is left out.", HelpName = "ID" };

    public CaInviteCommand()
        : base("invite", "Invite a node: put a secret into its join line that the controller never sees. 'kedge ca sign' then knows the node's keys by itself.")
    {
        Arguments.Add(_name);
        Option[] options = [_folder, _expires, _joinLine, _out, _tags, _zone];
        foreach (Option option in options)
            Options.Add(option);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        var folder = AuthorityFolder.Open(call.GetRequiredValue(_folder));
        if (call.GetValue(_out) is { } target)
            FileText.RequireNew(target);
        var line = JoinLine.Parse(FileText.Read(call.GetRequiredValue(_joinLine)));
        if (line.Network != folder.Master.NetworkId)
            throw new UserError($"The join line is for the network {line.Network}, but this master's is {folder.Master.NetworkId}. Name the folder of its master with --ca.");
        var invitation = Invitation.Create(call.GetRequiredValue(_name), RandomNumberGenerator.Fill);
        DateTimeOffset end = DateTimeOffset.UtcNow.AddSeconds(call.GetValue(_expires) ?? DefaultLifetime);
        folder.Invitations.Add(new InvitationRecord
        {
            Name = invitation.Name,
            ExpiresAt = end,
            Secret = invitation.ToSecretText(),
            Tags = call.GetRequiredValue(_tags),
            ZoneId = call.GetValue(_zone),
        });
        Write(call, (line with { Invitation = invitation }).ToSecretText() + "\n");
        string file = call.GetValue(_out) ?? "FILE";
        call.InvocationConfiguration.Error.WriteLine($"{invitation.Name} is invited until {end:u}. The line is a secret: do not show it to the controller either.");
        call.InvocationConfiguration.Error.WriteLine($"On the node, with the line in a file: kedge up --join-file {file}");
        return 0;
    }

    private void Write(ParseResult call, string text)
    {
        if (call.GetValue(_out) is { } path)
            FileText.Write(path, text);
        else
            call.InvocationConfiguration.Output.Write(text);
    }
}
