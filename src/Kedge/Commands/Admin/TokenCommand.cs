using System.CommandLine;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;

namespace Kedge.Commands.Admin;

/// <summary><c>kedge token</c>: what lets nodes join.</summary>
internal sealed class TokenCommand : Command
{
    public TokenCommand()
        : base("token", "Manage tokens: what lets nodes join a zone.")
    {
        Subcommands.Add(new TokenCreateCommand());
        Subcommands.Add(new TokenListCommand());
        Subcommands.Add(new TokenRevokeCommand());
    }
}

/// <summary><c>kedge token create</c>: prints a join line, this once.</summary>
internal sealed class TokenCreateCommand : AdminCommand
{
    private readonly Option<string?> _zone = Inputs.InZone("The zone that it lets into; 'default' unless told otherwise.");
    private readonly Option<int?> _ttl = Inputs.Ttl("How long it can be used, from 1m to 365d; an hour unless told otherwise.");
    private readonly Option<bool> _reusable = new("--reusable") { Description = "Any number of nodes may join with it. Without this, one." };
    private readonly Option<string[]> _tags = Inputs.Tags("A tag for the nodes that join with it.");

    private readonly Option<string[]> _allowPrefixes = Inputs.Prefixes(
        "--allow-prefix", "Networks behind a node that lie in this one need no approval.");

    private readonly Option<bool> _ephemeral = new("--ephemeral") { Description = "The nodes that join with it vanish when they have been away for a while." };
    private readonly Option<bool> _relay = new("--relay")
    {
        Description = $"The nodes that join with it may be relays ('kedge up --relay'): a short form of --tag {NodeSubject.RelayTag}.",
    };

    private readonly Option<string?> _description = Inputs.Text("--description", "TEXT", "What it is for, in a line.");
    private readonly Option<string?> _out = Inputs.Text("--out", "FILE", "Write the join line to a new file that only its owner can read.");

    public TokenCreateCommand()
        : base("create", "Create a token, and print the line with which 'kedge up' joins. It is a secret, and is shown this once.") =>
        Take(hasJson: true, _zone, _ttl, _reusable, _tags, _relay, _allowPrefixes, _ephemeral, _description, _out);

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        string? path = call.GetValue(_out);
        if (path is not null)
            FileText.RequireNew(path);
        CreatedToken created = await controller.CreateTokenAsync(new TokenCreation
        {
            Zone = call.GetValue(_zone) ?? "default",
            Description = call.GetValue(_description) ?? "",
            Tags = [.. call.GetRequiredValue(_tags).Union(call.GetValue(_relay) ? [NodeSubject.RelayTag] : [])],
            AllowedPrefixes = call.GetRequiredValue(_allowPrefixes),
            MaxUses = call.GetValue(_reusable) ? 0 : 1,
            LifetimeSeconds = call.GetValue(_ttl) ?? 3600,
            Ephemeral = call.GetValue(_ephemeral),
        });
        if (path is null)
            Print(call, created, shown => shown.JoinLine + "\n");
        else
            await WriteAsync(controller, call, created, path);
        if (WantsJson(call))
            return;
        JoinToken token = created.Token;
        string who = token.MaxUses == 0 ? "Any number of nodes" : "One node";
        Explain(call, $"{who} may join zone {token.ZoneName} with it until {Words.Time(token.ExpiresAt)}. It is a secret.");
        Explain(call, $"There, with the line in a file: kedge up --join-file {path ?? "FILE"}");
        Explain(call, $"To take it back: kedge token revoke {token.Id}");
    }

    private async Task WriteAsync(AdminClient controller, ParseResult call, CreatedToken created, string path)
    {
        try
        {
            FileText.Write(path, created.JoinLine + "\n");
        }
        catch (UserError)
        {
            // Nobody has seen it, so nobody will miss it.
            await controller.RevokeTokenAsync(created.Token.Id);
            throw;
        }
        if (WantsJson(call))
            Print(call, created.Token, _ => "");
    }
}

/// <summary><c>kedge token list</c>.</summary>
internal sealed class TokenListCommand : AdminCommand
{
    private readonly Option<string?> _zone = Inputs.InZone("Only the tokens of this zone.");
    private readonly Option<bool> _all = new("--all") { Description = "Also those that are used up, expired or revoked." };

    public TokenListCommand()
        : base("list", "List the tokens that can be used, without their secrets.") => Take(hasJson: true, _zone, _all);

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        IEnumerable<JoinToken> tokens = await controller.ListTokensAsync();
        if (call.GetValue(_zone) is { } name)
        {
            Zone zone = await controller.GetZoneAsync(name);
            tokens = tokens.Where(token => token.ZoneId == zone.Id);
        }
        if (!call.GetValue(_all))
            tokens = tokens.Where(token => token.Status == "usable");
        Print<IReadOnlyList<JoinToken>>(call, [.. tokens], shown => Table(shown, DateTimeOffset.UtcNow));
    }

    private static string Table(IReadOnlyList<JoinToken> tokens, DateTimeOffset now) => TextTable.Format(
        ["ID", "ZONE", "STATUS", "ENDS", "USED", "EPHEMERAL", "TAGS", "ALLOWED PREFIXES", "DESCRIPTION"],
        tokens.Select(token => (string[])
        [
            token.Id,
            token.ZoneName,
            token.Status,
            Words.When(token.ExpiresAt, now),
            token.MaxUses == 0 ? Words.Number(token.Uses) : $"{Words.Number(token.Uses)} of {Words.Number(token.MaxUses)}",
            Words.YesNo(token.Ephemeral),
            Words.List(token.Tags),
            Words.List(token.AllowedPrefixes),
            token.Description,
        ]),
        "There is no token. Create one: kedge token create");
}

/// <summary><c>kedge token revoke ID</c>.</summary>
internal sealed class TokenRevokeCommand : AdminCommand
{
    private readonly Argument<string> _id = new("ID") { Description = "The token's identifier, as 'kedge token list' shows it: not its secret." };

    public TokenRevokeCommand()
        : base("revoke", "Revoke a token. Nodes that have joined with it stay.")
    {
        _id.Validators.Add(result =>
        {
            // The value is not repeated: it may be a whole token, which is a secret.
            if (!Inputs.IsLabel(result.Tokens[0].Value))
                result.AddError("That is no token's identifier: give only the part before the '.', as 'kedge token list' shows it.");
        });
        _id.CompletionSources.Add(NameCompletion.Tokens);
        Take(hasJson: false, _id);
    }

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        string id = call.GetRequiredValue(_id);
        await controller.RevokeTokenAsync(id);
        Say(call, $"Token {id} is revoked.");
    }
}
