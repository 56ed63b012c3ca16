using System.Diagnostics.CodeAnalysis;

namespace Kedge.Protocol;

/// <summary>
/// What a person can mend: the message names the value, what is wrong with it and what would be right, in a sentence or two. The program
/// shows it alone, without a stack, and exits with 1. Never holds a secret.
/// </summary>
[SuppressMessage("Naming", "CA1710", Justification = "The name says whose error it is: the person's, not the program's.")]
public sealed class UserError : Exception
{
    /// <summary>Describes what is wrong and what to do about it.</summary>
    public UserError(string message)
        : base(message)
    {
    }

    /// <summary>Describes what is wrong and what to do about it, and keeps what it was found by.</summary>
    public UserError(string message, Exception? cause)
        : base(message, cause)
    {
    }
}
