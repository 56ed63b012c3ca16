namespace Kedge.Protocol.Paths;

/// <summary>How the state of paths is written, for programs and people.</summary>
public static class PathText
{
    private static readonly (PathState, string)[] States =
    [
        (PathState.Idle, "idle"), (PathState.Connecting, "connecting"), (PathState.Direct, "direct"), (PathState.Waiting, "waiting"),
        (PathState.Relayed, "relayed"),
    ];

    private static readonly (CandidateResult, string)[] Results =
    [
        (CandidateResult.Untried, "untried"), (CandidateResult.Trying, "trying"),
        (CandidateResult.Answered, "answered"), (CandidateResult.Silent, "silent"),
    ];

    /// <summary>The word for a state.</summary>
    public static string Of(PathState state) => Array.Find(States, pair => pair.Item1 == state).Item2;

    /// <summary>The word for a result.</summary>
    public static string Of(CandidateResult result) => Array.Find(Results, pair => pair.Item1 == result).Item2;

    /// <summary>The state that a word stands for; null for none.</summary>
    public static PathState? ParseState(string text) => Array.Find(States, pair => pair.Item2 == text) is { Item2: not null } pair ? pair.Item1 : null;

    /// <summary>The result that a word stands for; null for none.</summary>
    public static CandidateResult? ParseResult(string text) =>
        Array.Find(Results, pair => pair.Item2 == text) is { Item2: not null } pair ? pair.Item1 : null;
}
