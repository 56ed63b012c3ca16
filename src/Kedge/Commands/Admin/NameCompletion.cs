using System.CommandLine.Completions;
using Kedge.Protocol;

namespace Kedge.Commands.Admin;

/// <summary>
/// Names that a shell may complete, from the controller that one is logged in to. Whoever waits for them is typing: what does not come at
/// once is left out, and nothing is said about it.
/// </summary>
internal static class NameCompletion
{
    /// <summary>The environment variable that says how many seconds, 1 to 60, a controller has for its names.</summary>
    public const string PatienceVariable = "KEDGE_COMPLETION_SECONDS";

    /// <summary>The seconds where the variable says nothing.</summary>
    public const int DefaultPatience = 2;

    private static TimeSpan Patience => TimeSpan.FromSeconds(
        int.TryParse(Environment.GetEnvironmentVariable(PatienceVariable), out int seconds) && seconds is >= 1 and <= 60 ? seconds : DefaultPatience);

    /// <summary>The names of zones.</summary>
    public static IEnumerable<string> Zones(CompletionContext context) =>
        Ask(context, async controller => (await controller.ListZonesAsync()).Select(zone => zone.Name));

    /// <summary>The names of nodes: of the zone that the line names already, or of all.</summary>
    public static IEnumerable<string> Nodes(CompletionContext context) =>
        Ask(context, async controller => (await controller.ListNodesAsync(context.ParseResult.GetValue<string?>("--zone"))).Select(node => node.Name));

    /// <summary>The identifiers of tokens that can still be used.</summary>
    public static IEnumerable<string> Tokens(CompletionContext context) =>
        Ask(context, async controller => (await controller.ListTokensAsync()).Where(token => token.Status == "usable").Select(token => token.Id));

    private static IEnumerable<string> Ask(CompletionContext context, Func<AdminClient, Task<IEnumerable<string>>> names)
    {
        try
        {
            using var controller = new AdminClient(Login.Read(context.ParseResult.GetValue<string>("--login-file")!), Patience);
            // A shell gets these words to work with: none may be more than a word.
            return [.. names(controller).GetAwaiter().GetResult().Where(Inputs.IsLabel).Distinct().Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is UserError or InvalidOperationException or ArgumentException)
        {
            return [];
        }
    }
}
