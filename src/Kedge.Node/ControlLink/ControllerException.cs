using System.Net;
using Kedge.Protocol;
using Kedge.Protocol.Api;

namespace Kedge.Node.ControlLink;

/// <summary>
/// A controller could not be asked, or said no. The message is a sentence for people; whoever has nobody to try again for turns it into a
/// <see cref="UserError"/>.
/// </summary>
public sealed class ControllerException : Exception
{
    /// <summary>The controller could not be asked, or its answer makes no sense.</summary>
    public ControllerException(string message, Exception? cause = null)
        : base(message, cause)
    {
    }

    /// <summary>The controller said no.</summary>
    /// <param name="status">What it answered.</param>
    /// <param name="message">Why, as a sentence.</param>
    /// <param name="retryAfter">After how long it wants to be asked again; null where it has not said.</param>
    /// <param name="reason">Why, for programs.</param>
    public ControllerException(HttpStatusCode status, string message, TimeSpan? retryAfter = null, RefusalReason reason = RefusalReason.None)
        : base(message) => (Status, RetryAfter, Reason) = (status, retryAfter, reason);

    /// <summary>Why the controller said no; none where it has not said.</summary>
    public RefusalReason Reason { get; }

    /// <summary>After how long the controller wants to be asked again; null where it has not said.</summary>
    public TimeSpan? RetryAfter { get; }

    /// <summary>What the controller answered; null where it could not be asked.</summary>
    public HttpStatusCode? Status { get; }

    /// <summary>
    /// Whether the controller has understood and said no: asking again is of no use until something is different. Otherwise it is, some
    /// time later.
    /// </summary>
    public bool IsRefusal => (int?)Status is >= 400 and < 500 and not (408 or 429);

    /// <summary>The same for a person who waits for it.</summary>
    public UserError ToUserError() => new(Message, this);
}
