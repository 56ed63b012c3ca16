using System.CommandLine;
using Kedge.Protocol.Api;

namespace Kedge.Commands.Admin;

/// <summary><c>kedge audit</c>: who changed what, and when.</summary>
internal sealed class AuditCommand : AdminCommand
{
    private readonly Option<int> _limit = new("--limit") { Description = "How many entries, the latest ones.", HelpName = "N", DefaultValueFactory = _ => 50 };

    public AuditCommand()
        : base("audit", "Show the audit log: who changed what, and when. The latest entry comes last.")
    {
        _limit.Validators.Add(result =>
        {
            if (!result.Implicit && !(int.TryParse(result.Tokens[0].Value, out int limit) && limit is >= 1 and <= 1000))
                result.AddError($"--limit is '{result.Tokens[0].Value}', but must be a number from 1 to 1000.");
        });
        Take(hasJson: true, _limit);
    }

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call) =>
        Print(call, await controller.ListAuditAsync(call.GetValue(_limit)), Table);

    private static string Table(IReadOnlyList<AuditEntry> entries) => TextTable.Format(
        ["#", "WHEN", "WHO", "FROM", "ACTION", "WHAT"],
        entries.Select(entry => (string[])
        [
            Words.Number(entry.Sequence),
            Words.Time(entry.At),
            entry.Actor,
            Words.OrNone(entry.Source),
            entry.Action,
            entry.Detail,
        ]),
        "Nothing has been changed yet.");
}
