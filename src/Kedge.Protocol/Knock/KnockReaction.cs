namespace Kedge.Protocol.Knock;

/// <summary>What one end of a knock makes of a message.</summary>
internal enum KnockReaction
{
    /// <summary>It is dropped, and nothing has changed.</summary>
    Drop,

    /// <summary>It is answered.</summary>
    Answer,

    /// <summary>The knock has ended by it, and is answered if there is an answer.</summary>
    End,
}
