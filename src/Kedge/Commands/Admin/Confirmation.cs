using System.CommandLine;
using Kedge.Protocol;

namespace Kedge.Commands.Admin;

/// <summary>The question before something is lost. Where there is no terminal to answer on, the call must have answered it.</summary>
internal sealed class Confirmation
{
    /// <summary>The option that answers it.</summary>
    public Option<bool> Option { get; } = new("--yes", "-y") { Description = "Do not ask. Needed where there is no terminal." };

    /// <summary>Refuses calls of a command that could not be answered.</summary>
    public void Guard(Command command) => command.Validators.Add(result =>
    {
        if (!result.GetValue(Option) && Console.IsInputRedirected)
            result.AddError("This asks before it goes on, and there is no terminal to answer on: add --yes.");
    });

    /// <summary>Asks, unless the call has answered.</summary>
    /// <exception cref="UserError">The answer is no.</exception>
    public void Ask(ParseResult call, string question)
    {
        if (call.GetValue(Option))
            return;
        call.InvocationConfiguration.Error.Write(TextTable.Clean($"{question} [y/N] "));
        if (Console.In.ReadLine()?.Trim() is not ("y" or "Y" or "yes"))
            throw new UserError("Nothing was changed.");
    }
}
