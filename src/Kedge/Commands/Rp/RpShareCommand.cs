using System.CommandLine;
using System.Diagnostics;
using Kedge.Protocol;

namespace Kedge.Commands.Rp;

/// <summary>
/// <c>kedge rp share FOLDER PUBLIC [--await PEER]…</c>: sets up the keys of an unattended end, such as a container. Keys that exist are
/// kept, so it can run at every start.
/// </summary>
internal sealed class RpShareCommand : Command
{
    private const int DefaultPatience = 60, MaximumPatience = 24 * 60 * 60;

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(100);

    private readonly Argument<string> _folder = new("FOLDER") { Description = "The folder of the secret and public keys; created if it does not exist." };
    private readonly Argument<string> _public = new("PUBLIC") { Description = "The folder to publish the public keys in, inside one that the peers share." };

    private readonly Option<string[]> _peers = new("--await")
    {
        Description = "A peer's folder of public keys to wait for. May be given several times.",
        HelpName = "PEER",
    };

    private readonly Option<int> _patience = Setting.Number(
        "--patience", "KEDGE_PATIENCE", 1, MaximumPatience, DefaultPatience, "How many seconds to wait for peers.");

    public RpShareCommand()
        : base("share", "Create keys if there are none, publish the public ones, and wait for the peers' keys.")
    {
        Arguments.Add(_folder);
        Arguments.Add(_public);
        Options.Add(_peers);
        Options.Add(_patience);
        SetAction((call, ending) => RunAsync(call, ending));
    }

    private async Task<int> RunAsync(ParseResult call, CancellationToken ending)
    {
        var folder = new RpFolder(call.GetRequiredValue(_folder));
        folder.GenerateOnce();
        folder.PublishAgain(new RpFolder(call.GetRequiredValue(_public)));
        string[] peers = call.GetValue(_peers) ?? [];
        var patience = TimeSpan.FromSeconds(call.GetValue(_patience));
        long start = Stopwatch.GetTimestamp();
        while (Array.Find(peers, peer => !new RpFolder(peer).IsPublished) is { } missing)
        {
            if (Stopwatch.GetElapsedTime(start) > patience)
                throw new UserError(
                    $"The public keys {missing} have not come within {patience.TotalSeconds} s. Start that peer, or wait longer with --patience.");
            await Task.Delay(PollInterval, ending);
        }
        return 0;
    }
}
