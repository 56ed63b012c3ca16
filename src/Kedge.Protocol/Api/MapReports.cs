namespace Kedge.Protocol.Api;

/// <summary>What a node says about where it can be reached. It replaces what the node said before.</summary>
/// <param name="Endpoints">Best first; at most <see cref="MaximumEndpoints"/>.</param>
public sealed record EndpointReport(IReadOnlyList<NodeEndpoint> Endpoints)
{
    /// <summary>How many endpoints a node may have.</summary>
    public const int MaximumEndpoints = 16;
}

/// <summary>Which map a node has. Cumulative: what was not acknowledged before is acknowledged with it.</summary>
/// <param name="Store">The store that the revision belongs to.</param>
/// <param name="Revision">The revision that was applied last.</param>
/// <param name="Refused">Records that the node could not use. It keeps the version before, if there was one, and everything else.</param>
public sealed record MapAcknowledgement(Guid Store, long Revision, IReadOnlyList<RefusedResource> Refused);

/// <summary>A record of the map that a node could not use.</summary>
/// <param name="Resource">Its name, such as <c>peer/ID</c>; empty for a frame that could not be read at all.</param>
/// <param name="Reason">What is wrong with it, as a sentence.</param>
public sealed record RefusedResource(string Resource, string Reason);

/// <summary>The answer to a question that came in a map stream. It shows that the machine which sends it reads that stream.</summary>
/// <param name="Question">The question's identifier.</param>
public sealed record StreamAnswer(Guid Question);
