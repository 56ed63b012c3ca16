using System.CommandLine;

namespace Kedge.Commands;

/// <summary>
/// <c>kedge completion bash|zsh</c>: a script that makes the shell ask this program what may follow (the directive <c>[suggest:N]</c>, with
/// the cursor's position).
/// </summary>
internal sealed class CompletionCommand : Command
{
    private const string Bash =
        """
        # Completion of kedge for bash: eval "$(kedge completion bash)"
        _kedge() {
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$(kedge "[suggest:$COMP_POINT]" "$COMP_LINE" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -F _kedge kedge

        """;

    private const string Zsh =
        """
        #compdef kedge
        # Completion of kedge for zsh: eval "$(kedge completion zsh)"
        _kedge() {
            local -a words
            words=("${(@f)$(kedge "[suggest:$CURSOR]" "$BUFFER" 2>/dev/null)}")
            compadd -a words
        }
        compdef _kedge kedge

        """;

    private readonly Argument<string> _shell = new("SHELL") { Description = "bash or zsh." };

    public CompletionCommand()
        : base("completion", "Print a script that completes commands and options in a shell.")
    {
        _shell.AcceptOnlyFromAmong("bash", "zsh");
        Arguments.Add(_shell);
        SetAction(call => Console.Out.Write(call.GetRequiredValue(_shell) == "bash" ? Bash : Zsh));
    }
}
