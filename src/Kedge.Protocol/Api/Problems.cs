namespace Kedge.Protocol.Api;

/// <summary>Why a request was refused (RFC 9457), in a body of type <c>application/problem+json</c>.</summary>
public sealed record Problem
{
    /// <summary>The kind of problem; <c>about:blank</c> where the status says it all (RFC 9457 section 4.2.1).</summary>
    public string Type { get; init => field = value ?? "about:blank"; } = "about:blank";

    /// <summary>The status in words.</summary>
    public string Title { get; init => field = value ?? ""; } = "";

    /// <summary>The HTTP status.</summary>
    public int Status { get; init; }

    /// <summary>What is wrong, and what would be right, in a sentence or two.</summary>
    public string Detail { get; init => field = value ?? ""; } = "";

    /// <summary>Why, for programs; null where no program could act on it.</summary>
    public RefusalReason? Reason { get; init; }

    /// <summary>Everything that is wrong with the request, one entry a fault; empty where <see cref="Detail"/> says it all.</summary>
    public IReadOnlyList<ProblemFault> Errors { get; init => field = value ?? []; } = [];
}

/// <summary>One thing that is wrong with a request.</summary>
/// <param name="Field">The member of the body, or the parameter, such as <c>prefixes[0]</c>.</param>
/// <param name="Detail">The value, what is wrong with it, and what would be right.</param>
public sealed record ProblemFault(string Field, string Detail);
