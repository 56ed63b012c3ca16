using System.Net.Sockets;

namespace Kedge.Node.Connecting;

/// <summary>No address of a host could be connected to, or it has none. The message names each address and what it said.</summary>
public sealed class ConnectException : IOException
{
    /// <summary>Describes why nothing was connected.</summary>
    /// <param name="message">What failed, as a clause that follows a colon, without a full stop.</param>
    /// <param name="error">What all addresses have in common; null where they failed for different reasons, or did not answer.</param>
    /// <param name="cause">One of the failures.</param>
    public ConnectException(string message, SocketError? error = null, Exception? cause = null)
        : base(message, cause) => Error = error;

    /// <summary>The error that all addresses failed with; null where they differ, or some did not answer.</summary>
    public SocketError? Error { get; }
}
