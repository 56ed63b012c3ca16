using System.Diagnostics.CodeAnalysis;
using Kedge.Protocol.Api;

namespace Kedge.Control;

/// <summary>
/// A request that cannot be fulfilled, and what would be right. Thrown, so that the change which it was to make is undone; becomes the
/// answer's problem (RFC 9457).
/// </summary>
[SuppressMessage("Naming", "CA1710", Justification = "It is a refusal, whichever way it travels.")]
internal sealed class Refusal : Exception
{
    public Refusal(int status, IReadOnlyList<ProblemFault> faults, RefusalReason reason = RefusalReason.None)
        : base(string.Join(' ', faults.Select(fault => fault.Detail)))
    {
        (Status, Reason) = (status, reason);
        Faults = faults;
    }

    private Refusal(int status, RefusalReason reason, string detail)
        : base(detail) => (Status, Reason) = (status, reason);

    /// <summary>The HTTP status: 400 a value is wrong, 401 nobody we know, 403 not allowed, 404 not there, 409 in conflict with what is, 429 too often.</summary>
    public int Status { get; }

    /// <summary>Why, for programs.</summary>
    public RefusalReason Reason { get; }

    /// <summary>How long the caller should wait before it tries again; null where that would not help.</summary>
    public TimeSpan? RetryAfter { get; private init; }

    /// <summary>What is wrong with which member, where it is about members.</summary>
    public IReadOnlyList<ProblemFault> Faults { get; } = [];

    /// <summary>Nobody has shown who they are, or whom they show is not known.</summary>
    public static Refusal Unauthorized(string detail) => new(401, RefusalReason.None, detail);

    /// <summary>Who asks may not have it.</summary>
    public static Refusal Forbidden(string detail, RefusalReason reason = RefusalReason.None) => new(403, reason, detail);

    /// <summary>The caller has sent too many requests.</summary>
    /// <param name="retryAfter">How long it should wait.</param>
    /// <param name="detail">What there was too much of, and what to do.</param>
    public static Refusal TooManyRequests(TimeSpan retryAfter, string detail) =>
        new(429, RefusalReason.TooManyRequests, detail) { RetryAfter = retryAfter };

    /// <summary>What is asked about is not there.</summary>
    public static Refusal NotFound(string detail, RefusalReason reason = RefusalReason.None) => new(404, reason, detail);

    /// <summary>What is asked for is in conflict with what is.</summary>
    public static Refusal Conflict(string detail, RefusalReason reason = RefusalReason.None) => new(409, reason, detail);

    /// <summary>What is asked for is in conflict with what is, by one member.</summary>
    public static Refusal Conflict(string field, string detail, RefusalReason reason = RefusalReason.None) =>
        new(409, [new(field, detail)], reason);

    /// <summary>A member is wrong.</summary>
    public static Refusal Invalid(string field, string detail) => new(400, [new(field, detail)]);
}

/// <summary>Gathers all that is wrong with a request, so that it is told at once.</summary>
internal sealed class Faults
{
    private readonly List<ProblemFault> _faults = [];

    /// <summary>Whether anything is wrong so far.</summary>
    public bool Any => _faults.Count > 0;

    /// <summary>Something is wrong with a member.</summary>
    public void Add(string field, string detail) => _faults.Add(new(field, detail));

    /// <summary>Something is wrong with a member, unless <paramref name="detail"/> is null.</summary>
    public void AddIf(string field, string? detail)
    {
        if (detail is not null)
            Add(field, detail);
    }

    /// <summary>Refuses the request if anything is wrong with it.</summary>
    /// <exception cref="Refusal">Something is.</exception>
    public void ThrowIfAny()
    {
        if (Any)
            throw new Refusal(400, _faults);
    }
}
