namespace Kedge.Protocol.Mesh;

/// <summary>What a frame has done to a map.</summary>
public enum MapOutcome
{
    /// <summary>Nothing yet: it waits for its commit, or is of a kind that this version does not know.</summary>
    Nothing,

    /// <summary>The map has changed; <see cref="NetworkMap.Difference"/> says in what.</summary>
    Committed,

    /// <summary>The map is as it was, and the controller agrees.</summary>
    Alive,

    /// <summary>The controller ends the stream on purpose; <see cref="NetworkMap.ReconnectWithin"/> says when to come back.</summary>
    Ending,

    /// <summary>The frame could not be used. It is among <see cref="NetworkMap.Refused"/>; everything else goes on.</summary>
    Refused,

    /// <summary>
    /// What the map holds cannot be what the controller means. It keeps what it has; the stream is to be ended, and the next one begins with
    /// a snapshot.
    /// </summary>
    Diverged,

    /// <summary>A peer asks for a direct path, or answers: see <see cref="NetworkMap.Introduction"/>. The map is as it was.</summary>
    Introduced,
}
