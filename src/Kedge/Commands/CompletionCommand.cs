using System.CommandLine;
using Kedge.Commands.Admin;

namespace Kedge.Commands;

/// <summary>
/// <c>kedge completion bash|zsh</c>: a script that makes the shell ask this program what may follow (the directive <c>[suggest:N]</c>, with
/// the cursor's position).
/// </summary>
internal sealed class CompletionCommand : Command
{
    // Suggestions are data, which a controller may have a say in: they are compared and listed, never expanded. Options come only behind a
    // '-', and of --help only that spelling. Where nothing fits, the shell offers files. The library that suggests does not understand
    // --option=value.
    private const string Bash =
        """
        # Completion of kedge for bash: eval "$(kedge completion bash)"
        _kedge() {
            local word=${COMP_WORDS[COMP_CWORD]} one
            local line="kedge${COMP_LINE#"${COMP_WORDS[0]}"}" point=$((COMP_POINT - ${#COMP_WORDS[0]} + 5))
            COMPREPLY=()
            line=${line//=/ }
            while IFS= read -r one; do
                case $one in
                    /* | -h | '-?') ;;
                    -*) [[ $word == -* && $one == "$word"* ]] && COMPREPLY+=("$one") ;;
                    *) [[ $one == "$word"* ]] && COMPREPLY+=("$one") ;;
                esac
            done < <("${COMP_WORDS[0]}" "[suggest:$point]" "$line" 2>/dev/null)
        }
        complete -o default -F _kedge kedge

        """;

    private const string Zsh =
        """
        #compdef kedge
        # Completion of kedge for zsh: eval "$(kedge completion zsh)" behind compinit, or a file _kedge in a folder of $fpath.
        _kedge() {
            local line="kedge ${(j: :)words[2,CURRENT-1]}"
            (( CURRENT > 2 )) && line+=" "
            line+=$PREFIX
            line=${line//=/ }
            compset -P '--*='
            local -a found
            found=(${(f)"$("${words[1]}" "[suggest:${#line}]" "$line" 2>/dev/null)"})
            found=(${found:#(/*|-h|-\?)})
            [[ $PREFIX == -* ]] || found=(${found:#-*})
            compadd -a found || _files
        }
        if [[ ${funcstack[1]} == _kedge ]]; then _kedge "$@"; else compdef _kedge kedge; fi

        """;

    private readonly Argument<string> _shell = new("SHELL") { Description = "bash or zsh." };

    public CompletionCommand()
        : base(
            "completion",
            "Print a script that completes commands, options and names in a shell. Zones and nodes are asked of the controller that one is "
            + $"logged in to, which has {NameCompletion.DefaultPatience} seconds to answer. [env: {NameCompletion.PatienceVariable}]")
    {
        _shell.AcceptOnlyFromAmong("bash", "zsh");
        Arguments.Add(_shell);
        SetAction(call => Console.Out.Write(call.GetRequiredValue(_shell) == "bash" ? Bash : Zsh));
    }
}
