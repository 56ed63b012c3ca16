namespace Kedge.Demo;

/// <summary>A program to run, and with what. Arguments are handed over as they are; no shell is in between.</summary>
/// <param name="Line">The program and its arguments.</param>
public sealed record Command(params IReadOnlyList<string> Line)
{
    /// <summary>Variables added to the environment of this process; <c>LC_ALL=C</c> is always set, and .NET does without diagnostics.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>What the program reads from its standard input.</summary>
    public string Input { get; init; } = "";

    /// <summary>How long the program may take before it is killed.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The whole command line, as it would be typed.</summary>
    public override string ToString() => string.Join(' ', Line.Select(word => word.Length > 0 && !word.Contains(' ') ? word : $"'{word}'"));
}

/// <summary>How a program ended and what it printed.</summary>
/// <param name="ExitCode">Its exit code; 128 and the signal's number where a signal ended it.</param>
/// <param name="Output">What it wrote to its standard output.</param>
/// <param name="Error">What it wrote to its standard error.</param>
public sealed record CommandResult(int ExitCode, string Output, string Error)
{
    /// <summary>Whether the exit code was 0.</summary>
    public bool Succeeded => ExitCode == 0;
}

/// <summary>A program failed or took too long. The message has the whole command line and what the program printed.</summary>
public sealed class CommandException : Exception
{
    /// <summary>Describes a program that failed.</summary>
    public CommandException(Command command, string where, CommandResult result)
        : this(command, where, $"exit code {result.ExitCode}", result)
    {
    }

    /// <summary>Describes a program that did not do what was awaited.</summary>
    public CommandException(Command command, string where, string what, CommandResult result)
        : base($"{command} ({where}): {what}\n{result.Error}{result.Output}".TrimEnd())
    {
    }
}
