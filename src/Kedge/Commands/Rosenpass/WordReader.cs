using System.Diagnostics.CodeAnalysis;
using Kedge.Protocol;

namespace Kedge.Commands.Rosenpass;

/// <summary>
/// The words of a command line that says what a file would: keywords, each with its value, and the word <c>peer</c> before a peer's.
/// </summary>
/// <param name="words">The words.</param>
internal sealed class WordReader(IEnumerable<string> words)
{
    private const string Peer = "peer";

    private readonly Queue<string> _words = new(words);

    /// <summary>Takes the next word; not where a peer begins, nor at the end.</summary>
    public bool TryTake([NotNullWhen(true)] out string? word)
    {
        if (_words.TryPeek(out word) && word != Peer)
            return _words.TryDequeue(out word);
        word = null;
        return false;
    }

    /// <summary>Takes the word with which a peer begins; false at the end.</summary>
    public bool TryTakePeer() => _words.TryPeek(out string? word) && word == Peer && _words.TryDequeue(out _);

    /// <summary>Takes the value behind a keyword.</summary>
    /// <param name="keyword">The keyword.</param>
    /// <param name="what">What its value is, such as <c>HOST:PORT</c>.</param>
    /// <exception cref="UserError">There is none.</exception>
    public string Value(string keyword, string what) =>
        _words.TryDequeue(out string? value) ? value : throw new UserError($"{keyword} needs {what} behind it.");

    /// <summary>Takes the value behind a keyword.</summary>
    /// <param name="keyword">The keyword.</param>
    /// <param name="what">What its value is.</param>
    /// <param name="parse">Reads it; throws a <see cref="FormatException"/> that says what is wrong with it.</param>
    /// <exception cref="UserError">There is none, or it is wrong.</exception>
    public T Value<T>(string keyword, string what, Func<string, T> parse)
    {
        try
        {
            return parse(Value(keyword, what));
        }
        catch (FormatException e)
        {
            throw new UserError($"{keyword}: {e.Message}", e);
        }
    }
}
