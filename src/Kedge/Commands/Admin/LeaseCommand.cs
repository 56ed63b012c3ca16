using System.CommandLine;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;

namespace Kedge.Commands.Admin;

/// <summary><c>kedge lease</c>: who has which address.</summary>
internal sealed class LeaseCommand : Command
{
    public LeaseCommand()
        : base("lease", "See leases: who has which address, and which network behind it.")
    {
        Subcommands.Add(new LeaseListCommand());
        Subcommands.Add(new LeaseFreeCommand());
    }
}

/// <summary><c>kedge lease list</c>.</summary>
internal sealed class LeaseListCommand : AdminCommand
{
    private readonly Option<string?> _zone = Inputs.InZone("Only the leases of this zone.");

    public LeaseListCommand()
        : base("list", "List addresses and networks that nodes have, wait for, or had until lately.") => Take(hasJson: true, _zone);

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call) =>
        Print(call, await controller.ListLeasesAsync(call.GetValue(_zone)), leases => Table(leases, DateTimeOffset.UtcNow));

    private static string Table(IReadOnlyList<Lease> leases, DateTimeOffset now) => TextTable.Format(
        ["ADDRESS", "ZONE", "NODE", "KIND", "STATUS", "SINCE"],
        leases.Select(lease => (string[])
        [
            lease.Value,
            lease.ZoneName,
            lease.NodeName,
            lease.Kind,
            lease.QuarantinedUntil is { } until ? $"{lease.Status}, free {Words.When(until, now)}" : lease.Status,
            Words.When(lease.CreatedAt, now),
        ]),
        "There are no leases.");
}

/// <summary><c>kedge lease free ADDRESS</c>.</summary>
internal sealed class LeaseFreeCommand : AdminCommand
{
    private readonly Argument<string> _address = new("ADDRESS") { Description = "The address or network, as 'kedge lease list' shows it." };
    private readonly Option<string?> _zone = Inputs.InZone("Its zone; 'default' unless told otherwise.");

    public LeaseFreeCommand()
        : base("free", "End the quarantine of an address early. Peers may still send to its former node for a while.")
    {
        _address.Validators.Add(result =>
        {
            if (!IpPrefix.TryParse(result.Tokens[0].Value, out _))
                result.AddError($"'{result.Tokens[0].Value}' is neither an address nor a network: write it like 10.200.0.7 or 192.168.7.0/24.");
        });
        Take(hasJson: false, _address, _zone);
    }

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        string address = call.GetRequiredValue(_address);
        await controller.FreeLeaseAsync(address, call.GetValue(_zone));
        Say(call, $"{address} is free.");
    }
}
